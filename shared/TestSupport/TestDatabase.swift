// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Postgres

/// Databases for tests on the server that `SLIPWAY_TEST_POSTGRES` names (a superuser's URL; `make test` starts one).
public enum TestDatabase {
    public struct Unavailable: Error, CustomStringConvertible {
        public let description =
            "SLIPWAY_TEST_POSTGRES is not set: run `make test`, or set it to a superuser's postgres:// URL"
    }

    /// Gives `body` the URL of a new, empty database that nobody else uses, and drops it afterwards.
    public static func with<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        guard let server = ProcessInfo.processInfo.environment["SLIPWAY_TEST_POSTGRES"] else { throw Unavailable() }
        let name = "t_" + Identifier<EventKind>.generate().rawValue.suffix(26)
        try await administer(server, "CREATE DATABASE \(identifier: name)")
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(url(of: server, database: name)))
        } catch {
            result = .failure(error)
        }
        try await administer(server, "DROP DATABASE \(identifier: name) WITH (FORCE)")
        return try result.get()
    }

    private static func administer(_ server: String, _ sql: SQL) async throws {
        let connection = try await PostgresConnection.connect(to: server, name: "tests")
        do {
            try await connection.query(sql)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }

    /// Replaces the database of `postgresql://user:password@host:port/database?options`.
    static func url(of server: String, database: String) -> String {
        guard let scheme = server.firstRange(of: "://") else { return server }
        let rest = server[scheme.upperBound...]
        let query = rest.firstIndex(of: "?")
        let authority = rest[..<(rest.firstIndex(of: "/") ?? query ?? rest.endIndex)]
        let options: Substring = query.map { rest[$0...] } ?? ""
        return "\(server[..<scheme.upperBound])\(authority)/\(database)\(options)"
    }
}
