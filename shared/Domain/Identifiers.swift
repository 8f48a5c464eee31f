// SPDX-License-Identifier: Apache-2.0

/// A typed identifier: a prefix that tells a person what it names, then a ULID, so that ids sort by creation time.
///
/// Two ids of different kinds do not compare: passing an app where an environment is meant does not compile.
public struct Identifier<Kind: IdentifierKind>: Hashable, Sendable, Codable, Comparable {
    public let rawValue: String

    /// Wraps a value that is known to be an id of this kind, such as one read back from the database.
    public init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    /// A new id made of `time` and 80 random bits.
    public static func generate(
        at time: Timestamp, using generator: inout some RandomNumberGenerator
    ) -> Self {
        Self("\(Kind.prefix)_\(ULID.text(at: time, using: &generator))")
    }

    public static func generate() -> Self {
        var generator = SystemRandomNumberGenerator()
        return generate(at: .now(), using: &generator)
    }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

// As a dictionary key an id is encoded as a JSON object's key, not as an array of pairs.
extension Identifier: CodingKeyRepresentable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public var codingKey: any CodingKey { Key(stringValue: rawValue) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}

extension Identifier: CustomStringConvertible {
    public var description: String { rawValue }
}

public protocol IdentifierKind: Sendable {
    /// Two to four lower-case letters.
    static var prefix: String { get }
}

public enum UserKind: IdentifierKind { public static let prefix = "usr" }
public enum OrganisationKind: IdentifierKind { public static let prefix = "org" }
public enum TokenKind: IdentifierKind { public static let prefix = "tok" }
public enum AppKind: IdentifierKind { public static let prefix = "app" }
public enum EnvironmentKind: IdentifierKind { public static let prefix = "env" }
public enum DeploymentKind: IdentifierKind { public static let prefix = "dpl" }
public enum BuildKind: IdentifierKind { public static let prefix = "bld" }
public enum ServiceInstanceKind: IdentifierKind { public static let prefix = "svc" }
public enum InstanceKind: IdentifierKind { public static let prefix = "ins" }
public enum HostKind: IdentifierKind { public static let prefix = "hst" }
public enum NodeKind: IdentifierKind { public static let prefix = "ing" }
public enum EventKind: IdentifierKind { public static let prefix = "evt" }

public typealias UserID = Identifier<UserKind>
public typealias OrganisationID = Identifier<OrganisationKind>
public typealias TokenID = Identifier<TokenKind>
public typealias AppID = Identifier<AppKind>
public typealias EnvironmentID = Identifier<EnvironmentKind>
public typealias DeploymentID = Identifier<DeploymentKind>
public typealias BuildID = Identifier<BuildKind>
public typealias ServiceInstanceID = Identifier<ServiceInstanceKind>
public typealias InstanceID = Identifier<InstanceKind>
public typealias HostID = Identifier<HostKind>
public typealias IngressNodeID = Identifier<NodeKind>
public typealias EventID = Identifier<EventKind>

/// 26 characters of lower-case Crockford base 32: 48 bits of milliseconds, 80 random bits.
/// Source: the ULID specification, https://github.com/ulid/spec.
enum ULID {
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    static func text(at time: Timestamp, using generator: inout some RandomNumberGenerator) -> String {
        let milliseconds = UInt64(clamping: time.microseconds / 1000)
        var characters: [UInt8] = []
        characters.reserveCapacity(26)
        for shift in stride(from: 45, through: 0, by: -5) {
            characters.append(alphabet[Int((milliseconds >> UInt64(shift)) & 31)])
        }
        for _ in 0..<16 {
            characters.append(alphabet[Int(generator.next(upperBound: UInt64(32)))])
        }
        return String(decoding: characters, as: UTF8.self)
    }
}

/// A name that people type and that becomes part of hostnames, container names and paths.
public enum Slug {
    public static let lengthMax = 40

    /// Lower-case letters, digits and single inner hyphens, beginning with a letter: a DNS label (RFC 1123).
    public static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, (0x61...0x7a).contains(first), bytes.count <= lengthMax, bytes.last != 0x2d
        else { return false }
        return bytes.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
            && !text.contains("--")
    }

    public static let rule = "1 to 40 lower-case letters, digits and hyphens, beginning with a letter"
}
