// SPDX-License-Identifier: Apache-2.0

/// One numbered, forward-only change of a schema. Applied migrations never change: their text is compared.
public struct Migration: Sendable {
    public let version: Int
    public let name: String
    public let sql: String

    public init(_ version: Int, _ name: String, _ sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }

    /// Not for secrecy, only to notice that an applied migration was edited (FNV-1a, 64 bits).
    var checksum: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in sql.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}

extension PostgresPool {
    /// Brings the database to the last of `migrations`, each in a transaction, under an advisory lock so that several
    /// starting processes do it once.
    ///
    /// - Throws: `PostgresError.Code.migration` when an applied one was edited or the database is newer than this
    ///   program knows.
    public func migrate(_ migrations: [Migration]) async throws {
        precondition(migrations.map(\.version) == Array(1...migrations.count), "versions count from 1 without gaps")
        try await withTransaction { connection in
            // The key is arbitrary but fixed: "slipway" on a telephone keypad.
            try await connection.query("SELECT pg_advisory_xact_lock(7547929)")
            try await connection.script(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now())
                """)
            let applied = try await connection.query("SELECT version, checksum FROM schema_migrations ORDER BY version")
            for row in applied {
                let version = try row.int("version")
                guard version <= migrations.count else {
                    throw PostgresError(
                        .migration,
                        "the database has migration \(version), this program only knows "
                            + "\(migrations.count): run a newer version of it")
                }
                guard try row.string("checksum") == migrations[version - 1].checksum else {
                    throw PostgresError(
                        .migration, "migration \(version) was edited after it was applied: add a new one instead")
                }
            }
            for migration in migrations.dropFirst(applied.count) {
                try await connection.script(migration.sql)
                try await connection.query(
                    """
                    INSERT INTO schema_migrations (version, name, checksum)
                    VALUES (\(migration.version), \(migration.name), \(migration.checksum))
                    """)
            }
        }
    }
}
