// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Secrets

struct SealedTests {
    let key = PrivateSealingKey()

    @Test func theHolderOfTheKeyReadsTheSecret() throws {
        let sealed = try Sealed("sesame", to: key.publicKey, context: "env_1/DOOR")
        let travelled = try JSONDecoder().decode(Sealed.self, from: JSONEncoder().encode(sealed))
        #expect(try key.open(travelled, context: "env_1/DOOR") == "sesame")
    }

    @Test func aSealedValueCannotBeMovedToAnotherContext() throws {
        let sealed = try Sealed("sesame", to: key.publicKey, context: "env_1/DOOR")
        #expect(throws: SealError.self) { try key.open(sealed, context: "env_2/DOOR") }
    }

    @Test func anotherKeyCannotOpenIt() throws {
        let sealed = try Sealed("sesame", to: key.publicKey, context: "c")
        #expect(throws: SealError.self) { try PrivateSealingKey().open(sealed, context: "c") }
    }

    @Test func neitherKeyNorSealedValueShowsTheSecret() throws {
        let sentinel = "sentinel-9f2c"
        let sealed = try Sealed(sentinel, to: key.publicKey, context: "c")
        var dumped = ""
        dump(sealed, to: &dumped)
        dump(key, to: &dumped)
        dumped += "\(sealed) \(key) " + String(decoding: try JSONEncoder().encode(sealed), as: UTF8.self)
        #expect(!dumped.contains(sentinel))
        #expect(!dumped.contains(key.base64))
    }

    @Test func keysSurviveBase64() throws {
        #expect(try PrivateSealingKey(base64: key.base64).publicKey == key.publicKey)
        #expect(throws: SealError.self) { try PublicSealingKey(base64: "short") }
    }
}
