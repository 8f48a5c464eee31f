// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials

/// What Postgres stores of a password. Made here, so that the password itself is in no statement, and so in no log of
/// the server.
///
/// RFC 5802, section 3, with SHA-256 (RFC 7677), in the form of the catalogue pg_authid (Postgres manual, 53.8).
enum ScramVerifier {
    /// - Parameter password: ASCII, which the preparation of RFC 4013 leaves as it is.
    static func text(password: String, salt: [UInt8], iterations: Int = ServicesLimits.scramIterations) -> String {
        let salted = SymmetricKey(data: saltedPassword(password, salt, iterations))
        let clientKey = authenticate("Client Key", salted)
        let storedKey = SHA256.hash(data: clientKey)
        let serverKey = authenticate("Server Key", salted)
        let encoded = (
            salt: Data(salt).base64EncodedString(), stored: Data(storedKey).base64EncodedString(),
            server: Data(serverKey).base64EncodedString()
        )
        return "SCRAM-SHA-256$\(iterations):\(encoded.salt)$\(encoded.stored):\(encoded.server)"
    }

    private static func authenticate(_ text: String, _ key: SymmetricKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    }

    /// `Hi` of RFC 5802: PBKDF2 with one block.
    private static func saltedPassword(_ password: String, _ salt: [UInt8], _ iterations: Int) -> [UInt8] {
        let key = SymmetricKey(data: Array(password.utf8))
        var last = Array(HMAC<SHA256>.authenticationCode(for: salt + [0, 0, 0, 1], using: key))
        var result = last
        for _ in 1..<max(2, iterations) {
            last = Array(HMAC<SHA256>.authenticationCode(for: last, using: key))
            for index in result.indices { result[index] ^= last[index] }
        }
        return result
    }
}
