// SPDX-License-Identifier: Apache-2.0
import CLibPQ
import FoundationEssentials

/// An array parameter in Postgres's binary form, which takes any byte and needs no escaping: for what is large or many.
/// Source: `array_recv` in Postgres's src/backend/utils/adt/arrayfuncs.c.
public struct BinaryArray: Sendable {
    let bytes: [UInt8]

    /// An `int[]`.
    public static func ints(_ values: [Int32]) -> BinaryArray {
        BinaryArray(type: 23, count: values.count, hasNull: false) { bytes in
            for value in values {
                bytes.append(bigEndian: 4)
                bytes.append(bigEndian: value)
            }
        }
    }

    /// A `text[]`; the server refuses a text that holds U+0000.
    public static func texts(_ values: [String]) -> BinaryArray {
        BinaryArray(type: 25, count: values.count, hasNull: false) { bytes in
            for value in values {
                bytes.append(bigEndian: Int32(value.utf8.count))
                bytes.append(contentsOf: value.utf8)
            }
        }
    }

    /// A `bytea[]`.
    public static func data(_ values: [Data?]) -> BinaryArray {
        BinaryArray(type: 17, count: values.count, hasNull: values.contains(nil)) { bytes in
            for value in values {
                bytes.append(bigEndian: Int32(value?.count ?? -1))
                value?.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
        }
    }

    private init(type: Int32, count: Int, hasNull: Bool, _ appendElements: (inout [UInt8]) -> Void) {
        var bytes: [UInt8] = []
        // An empty array has no dimensions, any other one that begins at 1.
        for number in [count == 0 ? 0 : 1, hasNull ? 1 : 0, type] { bytes.append(bigEndian: number) }
        if count > 0 {
            bytes.append(bigEndian: Int32(count))
            bytes.append(bigEndian: 1)
        }
        appendElements(&bytes)
        self.bytes = bytes
    }
}

/// One row of a result in Postgres's binary form. Columns are read by position, from 0.
///
/// Each reader throws `PostgresError.Code.decode` naming the column when it is null or of another size.
public struct BinaryRow: ~Copyable {
    let result: OpaquePointer
    let row: Int32

    /// The value of a `bigint` column.
    public func int64(_ column: Int32) throws -> Int64 {
        try bytes(column) { bytes in
            guard bytes.count == 8 else {
                throw PostgresError(.decode, "column \(name(column)) has \(bytes.count) bytes, a bigint has 8")
            }
            return Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        }
    }

    /// The value of a `text` column.
    public func string(_ column: Int32) throws -> String {
        try bytes(column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The value of a `bytea` column.
    public func optionalData(_ column: Int32) throws -> Data? {
        PQgetisnull(result, row, column) == 1 ? nil : try bytes(column) { Data($0) }
    }

    private func bytes<Value>(_ column: Int32, _ read: (UnsafeRawBufferPointer) throws -> Value) throws -> Value {
        guard PQgetisnull(result, row, column) == 0, let start = PQgetvalue(result, row, column) else {
            throw PostgresError(.decode, "column \(name(column)) is null")
        }
        return try read(UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, row, column))))
    }

    private func name(_ column: Int32) -> String {
        PQfname(result, column).map { String(cString: $0) } ?? "\(column)"
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian number: Int32) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }
}
