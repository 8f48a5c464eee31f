// SPDX-License-Identifier: Apache-2.0
import Postgres

/// Makes and removes databases on the server that holds apps' data. Each step may be repeated after a crash.
struct DatabaseServer: Sendable {
    let connection: PostgresConnection

    /// Keeps other processes from working on the same service until the connection ends.
    ///
    /// - Returns: `false` when one does already.
    func lock(_ name: String) async throws -> Bool {
        let key = "slipway service \(name)"
        let rows = try await connection.query("SELECT pg_try_advisory_lock(hashtextextended(\(key), 0)) AS is_mine")
        return try rows.first?.bool("is_mine") ?? false
    }

    func majorVersion() async throws -> Int {
        let rows = try await connection.query("SELECT current_setting('server_version_num')::int / 10000 AS major")
        return try rows.first?.int("major") ?? 0
    }

    /// Makes the role, or gives the one a half-made attempt has left a new password.
    func prepareRole(_ role: String, verifier: String) async throws {
        let isThere = try await !connection.query("SELECT 1 AS one FROM pg_roles WHERE rolname = \(role)").isEmpty
        if !isThere { try await connection.query("CREATE ROLE \(identifier: role) NOLOGIN") }
        // Written out, since this statement takes no parameters: connections one service's credentials may hold.
        try await connection.query(
            "ALTER ROLE \(identifier: role) LOGIN CONNECTION LIMIT 50 PASSWORD\(literal: verifier)")
        let rows = try await connection.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if try rows.first?.bool("rolsuper") != true {
            // Without being a member, an account that is no superuser cannot make the role a database's owner.
            try await connection.query("GRANT \(identifier: role) TO CURRENT_USER")
        }
    }

    /// Makes the database, which nobody but its owner can connect to.
    func prepareDatabase(_ database: String, owner: String) async throws {
        let rows = try await connection.query(
            "SELECT datconnlimit FROM pg_database WHERE datname = \(database)")
        var isThere = !rows.isEmpty
        if isThere, try rows.first?.int("datconnlimit") == Self.invalidMark {
            try await connection.query("DROP DATABASE \(identifier: database)")
            isThere = false
        }
        if !isThere {
            // template0: nobody is ever connected to it, which would make the copy fail.
            try await connection.query(
                "CREATE DATABASE \(identifier: database) OWNER \(identifier: owner) TEMPLATE template0")
        }
        try await connection.query("REVOKE ALL ON DATABASE \(identifier: database) FROM PUBLIC")
    }

    /// How Postgres marks a database whose removal was interrupted (manual, 53.15).
    private static let invalidMark = -2

    func remove(database: String, role: String) async throws {
        try await connection.query("DROP DATABASE IF EXISTS \(identifier: database) WITH (FORCE)")
        try await connection.query("DROP ROLE IF EXISTS \(identifier: role)")
    }
}
