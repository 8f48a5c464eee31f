// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials

/// A secret that only the holder of one private key can read.
///
/// HPKE base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305. The `context` given
/// when sealing is authenticated, so that a sealed value cannot be moved to another environment or variable.
public struct Sealed: Codable, Sendable, Hashable {
    /// Tells which public key it was sealed to: `PublicSealingKey.id`.
    public let keyID: String
    /// The KEM's encapsulated key, 32 bytes.
    public let encapsulated: Data
    /// Ciphertext and tag.
    public let ciphertext: Data

    /// - Parameter context: what the secret is for, for example `env_…/DATABASE_URL`.
    public init(_ secret: String, to key: PublicSealingKey, context: String) throws {
        var sender = try HPKE.Sender(recipientKey: key.key, ciphersuite: suite, info: info)
        ciphertext = try sender.seal(Data(secret.utf8), authenticating: Data(context.utf8))
        encapsulated = sender.encapsulatedKey
        keyID = key.id
    }

    enum CodingKeys: String, CodingKey {
        case keyID = "keyId"
        case encapsulated, ciphertext
    }
}

private let suite = HPKE.Ciphersuite.Curve25519_SHA256_ChachaPoly
private let info = Data("slipway sealed v1".utf8)

public enum SealError: Error, Sendable, CustomStringConvertible {
    case malformedKey
    case wrongKey(sealedTo: String, have: String)
    case cannotOpen(context: String)

    public var description: String {
        switch self {
        case .malformedKey: "a sealing key is 32 bytes in base64"
        case .wrongKey(let sealedTo, let have): "sealed to key \(sealedTo), this process holds \(have)"
        case .cannotOpen(let context): "the sealed value for \(context) is damaged or belongs elsewhere"
        }
    }
}

/// The key that others seal to; it is public and travels in configuration and events as base64.
public struct PublicSealingKey: Sendable, Hashable, Codable {
    let key: Curve25519.KeyAgreement.PublicKey

    public init(base64: String) throws {
        guard let data = Data(base64Encoded: base64),
            let key = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: data)
        else { throw SealError.malformedKey }
        self.key = key
    }

    fileprivate init(_ key: Curve25519.KeyAgreement.PublicKey) { self.key = key }

    public var base64: String { key.rawRepresentation.base64EncodedString() }

    /// The first 12 hexadecimal digits of the key's SHA-256.
    public var id: String {
        SHA256.hash(data: key.rawRepresentation).prefix(6).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    public static func == (lhs: Self, rhs: Self) -> Bool { lhs.base64 == rhs.base64 }
    public func hash(into hasher: inout Hasher) { hasher.combine(base64) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            try self.init(base64: container.decode(String.self))
        } catch is SealError {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a sealing key")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(base64)
    }
}

/// The key that opens what was sealed to its public half. Neither its description nor its dump shows it.
public struct PrivateSealingKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: Curve25519.KeyAgreement.PrivateKey

    public init() { key = Curve25519.KeyAgreement.PrivateKey() }

    public init(base64: String) throws {
        guard let data = Data(base64Encoded: base64),
            let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: data)
        else { throw SealError.malformedKey }
        self.key = key
    }

    /// For writing the key to its file, and nothing else.
    public var base64: String { key.rawRepresentation.base64EncodedString() }

    public var publicKey: PublicSealingKey { PublicSealingKey(key.publicKey) }

    /// - Throws: `SealError`, which names keys and context but never content.
    public func open(_ sealed: Sealed, context: String) throws -> String {
        guard sealed.keyID == publicKey.id else {
            throw SealError.wrongKey(sealedTo: sealed.keyID, have: publicKey.id)
        }
        guard
            var recipient = try? HPKE.Recipient(
                privateKey: key, ciphersuite: suite, info: info, encapsulatedKey: sealed.encapsulated),
            let data = try? recipient.open(sealed.ciphertext, authenticating: Data(context.utf8)),
            let text = String(validating: data, as: UTF8.self)
        else { throw SealError.cannotOpen(context: context) }
        return text
    }

    public var description: String { "PrivateSealingKey(\(publicKey.id))" }
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey.id]) }
}
