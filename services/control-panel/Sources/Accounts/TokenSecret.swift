// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials

/// An access token as its owner sees it, once: a prefix that scanners of leaked secrets recognise, and 256 random bits.
struct TokenSecret: Sendable, CustomStringConvertible, CustomReflectable {
    static let prefix = "slp_"
    private static let randomBytes = 32

    /// For handing it to its owner, and nothing else.
    let text: String

    static func generate(using generator: inout some RandomNumberGenerator) -> TokenSecret {
        let bytes = (0..<randomBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return TokenSecret(text: prefix + Base64URL.encode(bytes))
    }

    static func generate() -> TokenSecret {
        var generator = SystemRandomNumberGenerator()
        return generate(using: &generator)
    }

    private init(text: String) { self.text = text }

    /// `nil` when `text` cannot be a token, which saves looking for it.
    init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), text.utf8.count == Self.prefix.utf8.count + 43 else { return nil }
        self.text = text
    }

    /// What is stored. A random 256-bit value needs no slow hash.
    var hash: [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }

    var description: String { "TokenSecret(…)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
