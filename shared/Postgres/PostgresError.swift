// SPDX-License-Identifier: Apache-2.0

/// What went wrong between this process and Postgres.
///
/// The description holds the SQLSTATE and the server's primary message only: neither the statement nor its
/// parameters, so that it is safe to log.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        enum Value: Hashable, Sendable { case connect, closed, server, decode, migration, poolTimeout }
        let value: Value

        /// No connection could be made.
        public static let connect = Code(value: .connect)
        /// The connection broke; whether the last statement took effect is unknown.
        public static let closed = Code(value: .closed)
        /// The server refused the statement; see `sqlState`.
        public static let server = Code(value: .server)
        /// A column was missing or not of the expected form.
        public static let decode = Code(value: .decode)
        /// The database's schema does not fit this program.
        public static let migration = Code(value: .migration)
        /// No pooled connection came free in time.
        public static let poolTimeout = Code(value: .poolTimeout)
    }

    public let code: Code
    public let message: String
    /// Five characters (SQLSTATE, Postgres appendix A), for `server` errors.
    public let sqlState: String?
    /// The violated constraint, where the server names one.
    public let constraint: String?

    public init(_ code: Code, _ message: String, sqlState: String? = nil, constraint: String? = nil) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
    }

    /// The same work may succeed when tried again: connection trouble, shutdown, time-outs, resources, a standby,
    /// serialization, deadlock. Not so what the data or the statement itself is to blame for.
    public var isRetriable: Bool {
        if code == .connect || code == .closed || code == .poolTimeout { return true }
        guard let sqlState else { return false }
        return ["08", "25", "40", "53", "55", "57", "58", "XX"].contains { sqlState.hasPrefix($0) }
    }

    public var isUniqueViolation: Bool { sqlState == "23505" }

    public var description: String {
        sqlState.map { "postgres \($0): \(message)" } ?? "postgres: \(message)"
    }
}
