// SPDX-License-Identifier: Apache-2.0
import Domain
import TestSupport
import Testing

@testable import Postgres

struct SQLTests {
    @Test func interpolatedValuesBecomeParameters() {
        let sql: SQL = "SELECT \(1), \("x'); DROP TABLE a; --"), \(nil as String?) FROM \(identifier: "a\"b")"
        #expect(sql.text == "SELECT $1, $2, $3 FROM \"a\"\"b\"")
        #expect(sql.binds == ["1", "x'); DROP TABLE a; --", nil])
    }

    @Test func literalsAreQuoted() {
        let sql: SQL = "PASSWORD \(literal: "it's \\ ok")"
        #expect(sql.text == "PASSWORD  E'it''s \\\\ ok'")
    }
}

struct PoolTests {
    private func withPool(
        connectionsMax: Int = 4, waitMax: Duration = .seconds(10), _ body: (PostgresPool) async throws -> Void
    ) async throws {
        try await TestDatabase.with { url in
            let pool = PostgresPool(.init(url: url, name: "test", connectionsMax: connectionsMax, waitMax: waitMax))
            try await body(pool)
            await pool.close()
        }
    }

    private func refusal(_ body: () async throws -> Void) async -> PostgresError? {
        do {
            try await body()
            return nil
        } catch { return error as? PostgresError }
    }

    @Test func valuesOfEveryTypeSurviveTheTrip() async throws {
        try await withPool { pool in
            let time = Timestamp(microseconds: 1_700_000_000_123_456)
            let row = try #require(
                try await pool.query(
                    """
                    SELECT \(42)::int AS i, \("é\u{1F600}")::text AS s, \(time)::timestamptz AS t, \(true)::bool AS b,
                        \(nil as String?)::text AS n, \(Bytea([0, 255]))::bytea AS y, \(["a", "b\"\\"])::text[] AS a
                    """
                ).first)
            #expect(try row.int("i") == 42)
            #expect(try row.string("s") == "é\u{1F600}")
            #expect(try row.timestamp("t") == time)
            #expect(try row.bool("b"))
            #expect(try row.optionalString("n") == nil)
            #expect(try row.bytes("y") == [0, 255])
            #expect(throws: PostgresError.self) { try row.string("absent") }
        }
    }

    @Test func aThrowingTransactionLeavesNothing() async throws {
        struct Stop: Error {}
        try await withPool { pool in
            try await pool.query("CREATE TABLE t (x int)")
            await #expect(throws: Stop.self) {
                try await pool.withTransaction { connection in
                    try await connection.query("INSERT INTO t VALUES (1)")
                    throw Stop()
                }
            }
            let rows = try await pool.query("SELECT x FROM t")
            #expect(rows.isEmpty)
        }
    }

    @Test func aSwallowedSerializationFailureIsTriedAgain() async throws {
        try await withPool { pool in
            try await pool.query("CREATE TABLE t (x int)")
            var attempts = 0
            try await pool.withTransaction { connection in
                attempts += 1
                try await connection.query("INSERT INTO t VALUES (\(attempts))")
                guard attempts == 1 else { return }
                _ = await refusal {
                    try await connection.query("DO $$ BEGIN RAISE serialization_failure; END $$")
                }
            }
            #expect(attempts == 2)
            let rows = try await pool.query("SELECT x FROM t")
            #expect(try rows.map { try $0.int("x") } == [2])
        }
    }

    @Test func aSwallowedFailureIsWhatTheTransactionFailsWith() async throws {
        try await withPool { pool in
            try await pool.query("CREATE TABLE t (x text CONSTRAINT only_once PRIMARY KEY)")
            let failure = await refusal {
                try await pool.withTransaction { connection in
                    let insert: SQL = "INSERT INTO t VALUES (\("a"))"
                    try await connection.query(insert)
                    _ = await refusal { try await connection.query(insert) }
                    #expect(await refusal { try await connection.query("SELECT 1") }?.constraint == "only_once")
                }
            }
            #expect(failure?.isUniqueViolation == true)
            let rows = try await pool.query("SELECT x FROM t")
            #expect(rows.isEmpty)
        }
    }

    @Test func whatASavepointUndoesFailsNothing() async throws {
        try await withPool { pool in
            try await pool.query("CREATE TABLE t (x int)")
            try await pool.withTransaction { connection in
                try await connection.query("INSERT INTO t VALUES (1)")
                try await connection.query("SAVEPOINT s")
                _ = await refusal { try await connection.query("SELECT 1 / 0") }
                try await connection.query("ROLLBACK TO SAVEPOINT s")
            }
            let rows = try await pool.query("SELECT x FROM t")
            #expect(rows.count == 1)
        }
    }

    @Test func aConnectionRefusesWhatComesAfterItsEnd() async throws {
        try await TestDatabase.with { url in
            let connection = try await PostgresConnection.connect(to: url, name: "test")
            await connection.close()
            await withTaskGroup(of: PostgresError.Code?.self) { group in
                for _ in 0..<20 {
                    group.addTask { await refusal { try await connection.query("SELECT 1") }?.code }
                }
                for await code in group { #expect(code == .closed) }
            }
            #expect(await refusal { try await connection.listen(["bell"]) { _ in } }?.code == .closed)
            let isIdle = await connection.isIdle
            #expect(!isIdle)
            await connection.close()
        }
    }

    @Test func borrowersBeyondTheLimitWaitTheirTurn() async throws {
        try await withPool(connectionsMax: 2) { pool in
            try await pool.query("CREATE TABLE t (x int)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<50 {
                    group.addTask { try await pool.query("INSERT INTO t VALUES (\(index))") }
                }
                try await group.waitForAll()
            }
            let count = try await pool.query("SELECT count(*) AS n FROM t").first?.int("n")
            #expect(count == 50)
            let sessions = try await pool.query(
                "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
            ).first?.int("n")
            #expect(try #require(sessions) <= 2)
        }
    }

    @Test func aBorrowerThatWaitsTooLongIsToldSo() async throws {
        try await withPool(connectionsMax: 1, waitMax: .milliseconds(50)) { pool in
            try await pool.withConnection { _ in
                #expect(await refusal { try await pool.query("SELECT 1") }?.code == .poolTimeout)
            }
        }
    }

    @Test func aConnectionThatTheServerEndedIsReplaced() async throws {
        try await withPool(connectionsMax: 1) { pool in
            await #expect(throws: PostgresError.self) {
                try await pool.query("SELECT pg_terminate_backend(pg_backend_pid())")
            }
            let one = try await pool.query("SELECT 1 AS one").first?.int("one")
            #expect(one == 1)
        }
    }

    @Test func aServerThatEndedAllSessionsCostsOneBorrower() async throws {
        try await withPool(connectionsMax: 4) { pool in
            // All four are open at once, then idle.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try await pool.query("SELECT pg_sleep(0.3)") } }
                try await group.waitForAll()
            }
            let administrator = try await PostgresConnection.connect(to: pool.configuration.url, name: "administrator")
            let ended = try await administrator.query(
                """
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """)
            await administrator.close()
            #expect(ended.count == 4)
            #expect(await refusal { try await pool.query("SELECT 1") }?.code == .closed)
            for _ in 0..<4 { try await pool.query("SELECT 1") }
        }
    }

    @Test func errorsNameStateAndConstraintAndNoValues() async throws {
        try await withPool { pool in
            try await pool.query("CREATE TABLE t (x text CONSTRAINT only_once PRIMARY KEY)")
            try await pool.query("INSERT INTO t VALUES (\("sentinel"))")
            let error = await refusal { try await pool.query("INSERT INTO t VALUES (\("sentinel"))") }
            #expect(error?.isUniqueViolation == true)
            #expect(error?.constraint == "only_once")
            #expect(error?.description.contains("sentinel") == false)
        }
    }

    @Test func concurrentStartsMigrateOnce() async throws {
        try await withPool(connectionsMax: 8) { pool in
            let migrations = [Migration(1, "a", "CREATE TABLE a (x int)"), Migration(2, "b", "CREATE TABLE b (x int)")]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try await pool.migrate(migrations) } }
                try await group.waitForAll()
            }
            let applied = try await pool.query("SELECT version FROM schema_migrations")
            #expect(applied.count == 2)
            await #expect(throws: PostgresError.self) {
                try await pool.migrate([Migration(1, "a", "CREATE TABLE a (y int)"), migrations[1]])
            }
            await #expect(throws: PostgresError.self) { try await pool.migrate([migrations[0]]) }
        }
    }

    @Test func notificationsArriveWithoutBeingAskedFor() async throws {
        try await withPool { pool in
            let connection = try await PostgresConnection.connect(to: pool.configuration.url, name: "listener")
            let (stream, continuation) = AsyncStream.makeStream(of: PostgresNotification.self)
            try await connection.listen(["bell"]) { continuation.yield($0) }
            try await pool.query("SELECT pg_notify('bell', 'ding')")
            var iterator = stream.makeAsyncIterator()
            #expect(await iterator.next()?.payload == "ding")
            await connection.close()
        }
    }
}
