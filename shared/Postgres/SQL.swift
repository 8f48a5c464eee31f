// SPDX-License-Identifier: Apache-2.0
import Domain

/// One SQL statement with its bind parameters.
///
/// Interpolated values become `$n` parameters, so a value can never change the statement:
/// `"SELECT id FROM apps WHERE slug = \(slug)"`.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
    public internal(set) var text: String
    var binds: [Bind?]

    enum Bind: Sendable, Hashable, ExpressibleByStringLiteral {
        case text(String)
        /// In Postgres's binary form.
        case binary([UInt8])

        init(stringLiteral value: String) { self = .text(value) }
    }

    public init(stringLiteral value: String) {
        text = value
        binds = []
    }

    public init(stringInterpolation: Interpolation) {
        text = stringInterpolation.text
        binds = stringInterpolation.binds
    }

    public struct Interpolation: StringInterpolationProtocol {
        var text = ""
        var binds: [Bind?] = []

        public init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + interpolationCount * 3)
        }

        public mutating func appendLiteral(_ literal: String) {
            text += literal
        }

        public mutating func appendInterpolation(_ value: (any PostgresEncodable)?) {
            binds.append((value?.postgresText).map { .text($0) })
            text += "$\(binds.count)"
        }

        public mutating func appendInterpolation(_ array: BinaryArray) {
            binds.append(.binary(array.bytes))
            text += "$\(binds.count)"
        }

        /// An identifier, quoted.
        public mutating func appendInterpolation(identifier: String) {
            text += quoteIdentifier(identifier)
        }

        /// A literal, quoted: for the few statements that take no parameters (`CREATE ROLE … PASSWORD`).
        public mutating func appendInterpolation(literal: String) {
            text += quoteLiteral(literal)
        }
    }
}

func quoteIdentifier(_ name: String) -> String {
    "\"" + name.replacing("\"", with: "\"\"") + "\""
}

func quoteLiteral(_ value: String) -> String {
    // An escape string is read alike whatever standard_conforming_strings says.
    " E'" + value.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
}

/// A value that can be bound. The text is in the form Postgres reads for the column's type.
public protocol PostgresEncodable: Sendable {
    var postgresText: String { get }
}

extension String: PostgresEncodable { public var postgresText: String { self } }
extension Int: PostgresEncodable { public var postgresText: String { String(self) } }
extension Int32: PostgresEncodable { public var postgresText: String { String(self) } }
extension Int64: PostgresEncodable { public var postgresText: String { String(self) } }
extension Double: PostgresEncodable { public var postgresText: String { String(self) } }
extension Bool: PostgresEncodable { public var postgresText: String { self ? "true" : "false" } }
extension Timestamp: PostgresEncodable { public var postgresText: String { rfc3339 } }
extension Identifier: PostgresEncodable { public var postgresText: String { rawValue } }

extension Array: PostgresEncodable where Element: PostgresEncodable {
    public var postgresText: String {
        "{"
            + map {
                "\"" + $0.postgresText.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
            }.joined(separator: ",") + "}"
    }
}

/// Bytes for a `bytea` parameter.
public struct Bytea: PostgresEncodable {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var postgresText: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = [0x5c, 0x78]
        text.reserveCapacity(2 + bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
