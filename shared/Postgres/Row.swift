// SPDX-License-Identifier: Apache-2.0
import Domain

/// One row of a result; columns are read by name.
///
/// Each reader throws `PostgresError.Code.decode` naming the column when it is absent, null or of another form.
public struct Row: Sendable {
    let columns: Columns
    let values: [String?]

    final class Columns: Sendable {
        let index: [String: Int]
        init(_ names: [String]) {
            index = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    public func optionalString(_ column: String) throws -> String? {
        guard let position = columns.index[column] else {
            throw PostgresError(.decode, "the result has no column \(column)")
        }
        return values[position]
    }

    public func string(_ column: String) throws -> String {
        guard let value = try optionalString(column) else {
            throw PostgresError(.decode, "column \(column) is null")
        }
        return value
    }

    public func int(_ column: String) throws -> Int { try parse(column, Int.init) }
    public func int64(_ column: String) throws -> Int64 { try parse(column) { Int64($0) } }
    public func optionalInt(_ column: String) throws -> Int? { try optionalParse(column, Int.init) }

    public func bool(_ column: String) throws -> Bool {
        try parse(column) { $0 == "t" ? true : $0 == "f" ? false : nil }
    }

    public func timestamp(_ column: String) throws -> Timestamp {
        try parse(column, Timestamp.init(rfc3339:))
    }

    public func optionalTimestamp(_ column: String) throws -> Timestamp? {
        try optionalParse(column, Timestamp.init(rfc3339:))
    }

    public func id<Kind>(_ column: String, _: Kind.Type = Kind.self) throws -> Identifier<Kind> {
        Identifier(try string(column))
    }

    public func optionalID<Kind>(_ column: String, _: Kind.Type = Kind.self) throws -> Identifier<Kind>? {
        try optionalString(column).map { Identifier($0) }
    }

    public func bytes(_ column: String) throws -> [UInt8] {
        try parse(column, Self.unhex)
    }

    public func optionalBytes(_ column: String) throws -> [UInt8]? {
        try optionalParse(column, Self.unhex)
    }

    private func parse<T>(_ column: String, _ convert: (String) -> T?) throws -> T {
        let text = try string(column)
        guard let value = convert(text) else {
            throw PostgresError(.decode, "column \(column) is not a \(T.self)")
        }
        return value
    }

    private func optionalParse<T>(_ column: String, _ convert: (String) -> T?) throws -> T? {
        guard try optionalString(column) != nil else { return nil }
        return try parse(column, convert)
    }

    private static func unhex(_ text: String) -> [UInt8]? {
        let utf8 = Array(text.utf8)
        guard utf8.count >= 2, utf8[0] == 0x5c, utf8[1] == 0x78, utf8.count.isMultiple(of: 2) else { return nil }
        func nibble(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x61...0x66: byte - 0x57
            default: nil
            }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count / 2 - 1)
        for position in stride(from: 2, to: utf8.count, by: 2) {
            guard let high = nibble(utf8[position]), let low = nibble(utf8[position + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
