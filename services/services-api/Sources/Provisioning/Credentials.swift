// SPDX-License-Identifier: Apache-2.0

/// A password and how it is written into a URL. Its description does not show it.
struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    let role: String
    let password: String

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// 192 random bits in characters that need no escaping in a URL.
    static func generate(role: String, using generator: inout some RandomNumberGenerator) -> Credentials {
        let characters = (0..<ServicesLimits.passwordLength).map { _ in
            alphabet[Int.random(in: alphabet.indices, using: &generator)]
        }
        return Credentials(role: role, password: String(decoding: characters, as: UTF8.self))
    }

    /// `postgresql://role:password@host:port/database`
    func url(host: String, port: Int, database: String) -> String {
        let host = host.contains(":") ? "[\(host)]" : host
        return "postgresql://\(role):\(password)@\(host):\(port)/\(database)"
    }

    var description: String { "Credentials(\(role))" }
    var customMirror: Mirror { Mirror(self, children: ["role": role]) }
}
