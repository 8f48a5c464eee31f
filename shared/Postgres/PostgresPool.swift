// SPDX-License-Identifier: Apache-2.0
import Domain
import Logging
import ServiceLifecycle
import Synchronization

/// A bounded set of connections to one database, lent for the time of a closure.
///
/// Connections are made on demand and kept. A borrower waits at most `waitMax`; a connection that comes back broken
/// or inside a transaction is dropped. As a `Service` it lives until shutdown and then closes what is idle.
public final class PostgresPool: Service, Sendable {
    public struct Configuration: Sendable {
        public var url: String
        /// Shown in `pg_stat_activity`.
        public var name: String
        public var connectionsMax: Int
        public var waitMax: Duration

        public init(url: String, name: String, connectionsMax: Int = 8, waitMax: Duration = .seconds(10)) {
            self.url = url
            self.name = name
            self.connectionsMax = connectionsMax
            self.waitMax = waitMax
        }
    }

    private struct State {
        var idle: [PostgresConnection] = []
        var open = 0
        var nextWaiter = 0
        var waiters: [(id: Int, continuation: CheckedContinuation<PostgresConnection?, any Error>)] = []
        var isClosed = false
    }

    public let configuration: Configuration
    private let state = Mutex(State())

    public init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    /// Lends a connection. The closure must not keep it.
    public func withConnection<Result: Sendable>(
        _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await acquire()
        do {
            let result = try await body(connection)
            await release(connection)
            return result
        } catch {
            await release(connection)
            throw error
        }
    }

    /// Runs `body` in a transaction: commits when it returns, rolls back when it throws.
    ///
    /// Serialization failures and deadlocks are tried again, at most `attempts` times in all, so `body` must have no
    /// effect outside the database.
    public func withTransaction<Result: Sendable>(
        attempts: Int = 3, _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        var attempt = 1
        while true {
            do {
                return try await withConnection { connection in
                    try await connection.query("BEGIN")
                    do {
                        let result = try await body(connection)
                        try await connection.commit()
                        return result
                    } catch {
                        // A failed rollback leaves the session busy, and `release` drops it.
                        _ = try? await connection.query("ROLLBACK")
                        throw error
                    }
                }
            } catch let error as PostgresError
                where (error.sqlState == "40001" || error.sqlState == "40P01") && attempt < attempts
            {
                attempt += 1
                try await Task.sleep(for: .milliseconds(Int.random(in: 5...50) * attempt))
            }
        }
    }

    /// One statement on any connection.
    @discardableResult
    public func query(_ sql: SQL) async throws -> [Row] {
        try await withConnection { try await $0.query(sql) }
    }

    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }

    /// Closes idle connections and refuses new borrowers; lent ones close when they come back.
    public func close() async {
        let (idle, waiters) = state.withLock { state in
            state.isClosed = true
            defer {
                state.idle = []
                state.waiters = []
            }
            return (state.idle, state.waiters)
        }
        for waiter in waiters { waiter.continuation.resume(throwing: Self.closedError) }
        for connection in idle { await connection.close() }
    }

    private static let closedError = PostgresError(.closed, "the pool is closed")

    private enum Grant {
        case lend(PostgresConnection)
        case open
        case wait
    }

    private func acquire() async throws -> PostgresConnection {
        let grant = try state.withLock { state -> Grant in
            if state.isClosed { throw Self.closedError }
            if let connection = state.idle.popLast() { return .lend(connection) }
            if state.open < configuration.connectionsMax {
                state.open += 1
                return .open
            }
            return .wait
        }
        switch grant {
        case .lend(let connection): return connection
        case .open: return try await open()
        case .wait:
            if let connection = try await waitForConnection() { return connection }
            return try await open()
        }
    }

    /// Opens a connection for a place that is already counted in `open`.
    private func open() async throws -> PostgresConnection {
        do {
            return try await PostgresConnection.connect(to: configuration.url, name: configuration.name)
        } catch {
            giveUpPlace()
            throw error
        }
    }

    /// - Returns: a connection, or `nil` when a place came free in which the caller is to open one.
    private func waitForConnection() async throws -> PostgresConnection? {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timeout = Task {
            try await Task.sleep(for: configuration.waitMax)
            self.fail(waiter: id, with: PostgresError(.poolTimeout, "no connection came free in time"))
        }
        defer { timeout.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let refusal = state.withLock { state -> (any Error)? in
                    if state.isClosed { return Self.closedError }
                    if Task.isCancelled { return CancellationError() }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let refusal { continuation.resume(throwing: refusal) }
            }
        } onCancel: {
            self.fail(waiter: id, with: CancellationError())
        }
    }

    private func fail(waiter id: Int, with error: any Error) {
        let continuation = state.withLock { state in
            state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0).continuation }
        }
        continuation?.resume(throwing: error)
    }

    private func release(_ connection: PostgresConnection) async {
        guard await connection.isIdle else {
            // When one has lost the server, those that nobody used meanwhile have too.
            if await connection.isBroken { await dropIdle() }
            await connection.close()
            giveUpPlace()
            return
        }
        let (waiter, mustClose) = state.withLock {
            state -> (CheckedContinuation<PostgresConnection?, any Error>?, Bool) in
            if state.isClosed { return (nil, true) }
            if !state.waiters.isEmpty { return (state.waiters.removeFirst().continuation, false) }
            state.idle.append(connection)
            return (nil, false)
        }
        waiter?.resume(returning: connection)
        if mustClose { await connection.close() }
    }

    private func dropIdle() async {
        let idle = state.withLock { state in
            defer { state.idle = [] }
            state.open -= state.idle.count
            return state.idle
        }
        for connection in idle { await connection.close() }
    }

    private func giveUpPlace() {
        let waiter = state.withLock { state -> CheckedContinuation<PostgresConnection?, any Error>? in
            if !state.waiters.isEmpty { return state.waiters.removeFirst().continuation }
            state.open -= 1
            return nil
        }
        waiter?.resume(returning: nil)
    }
}

extension PostgresPool {
    /// For readiness: `nil` when the database answers, otherwise what is wrong.
    public func problem() async -> String? {
        do {
            try await query("SELECT 1")
            return nil
        } catch {
            return "\(error)"
        }
    }
}
