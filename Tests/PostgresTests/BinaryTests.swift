// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres
import TestSupport
import Testing

struct BinaryTests {
    private func withConnection(_ body: (PostgresConnection) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            let connection = try await PostgresConnection.connect(to: url, name: "test")
            try await body(connection)
            await connection.close()
        }
    }

    private static let texts = ["plain", "", "é\u{1F600}", "quote\" back\\slash {brace}, comma", "NULL", "line\nend"]
    private static let values: [Data?] = [Data([0, 255, 92, 39]), Data(), nil, Data(repeating: 7, count: 1 << 20)]

    @Test func arraysArriveWithEveryByte() async throws {
        try await withConnection { connection in
            let texts = try await connection.query("SELECT unnest(\(BinaryArray.texts(Self.texts))::text[])") {
                try $0.string(0)
            }
            #expect(texts == Self.texts)
            let values = try await connection.query("SELECT unnest(\(BinaryArray.data(Self.values))::bytea[])") {
                try $0.optionalData(0)
            }
            #expect(values == Self.values)
            let numbers: [Int32] = [0, 1, -1, .max, .min]
            let read = try await connection.query("SELECT unnest(\(BinaryArray.ints(numbers))::int[])::bigint") {
                try $0.int64(0)
            }
            #expect(read == numbers.map(Int64.init))
        }
    }

    @Test func emptyArraysAreEmptyAndOthersBeginAtOne() async throws {
        try await withConnection { connection in
            let none: [String] = []
            let sizes = try await connection.query(
                """
                SELECT cardinality(\(BinaryArray.texts(none))::text[])::bigint,
                    cardinality(\(BinaryArray.data([]))::bytea[])::bigint,
                    array_lower(\(BinaryArray.ints([5, 6]))::int[], 1)::bigint
                """
            ) { [try $0.int64(0), try $0.int64(1), try $0.int64(2)] }
            #expect(sizes == [[0, 0, 1]])
        }
    }

    @Test func parametersOfBothFormsMixAndStatementsAreReused() async throws {
        try await withConnection { connection in
            for number in 0..<3 {
                let rows = try await connection.query(
                    "SELECT \("a\(number)")::text || n FROM unnest(\(BinaryArray.ints([7, 8]))::int[]) AS n"
                ) { try $0.string(0) }
                #expect(rows == ["a\(number)7", "a\(number)8"])
            }
        }
    }

    @Test func whatDoesNotFitIsNamed() async throws {
        try await withConnection { connection in
            for statement: SQL in ["SELECT NULL::bigint AS broken", "SELECT 1::int AS broken"] {
                var refused: PostgresError?
                do {
                    _ = try await connection.query(statement) { try $0.int64(0) }
                } catch { refused = error as? PostgresError }
                #expect(refused?.code == .decode)
                #expect(refused?.message.contains("broken") == true)
            }
            // A reader that throws leaves the connection usable.
            let isIdle = await connection.isIdle
            #expect(isIdle)
        }
    }
}
