// SPDX-License-Identifier: Apache-2.0
import CLibPQ
import Domain
import Glibc
import Logging

/// One session with a Postgres server. Everything it does runs on its own thread (see `ConnectionThread`).
public actor PostgresConnection {
    private let thread: ConnectionThread
    private var handle: OpaquePointer?
    private var prepared: [String: String] = [:]
    /// Why the transaction that is open can only be rolled back: the first failure in it.
    private var failure: PostgresError?
    private var notify: (@Sendable (PostgresNotification) -> Void)?

    /// Distinct statements kept prepared per session; past it, statements are sent unprepared.
    static let preparedStatementsMax = 200

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Connects with a libpq connection string or URL (Postgres manual, 34.1.1).
    ///
    /// - Throws: `PostgresError.Code.connect`, with libpq's text, which never holds the password.
    public static func connect(to url: String, name: String) async throws -> PostgresConnection {
        let connection = try PostgresConnection(name: name)
        do {
            try await connection.open(url, name: name)
        } catch {
            await connection.close()
            throw error
        }
        return connection
    }

    private init(name: String) throws(PostgresError) {
        thread = try ConnectionThread(name: "pg-\(name)")
    }

    private func open(_ url: String, name: String) throws {
        // The URL is handed over as `dbname`, which libpq expands; the other keywords are defaults around it.
        let settings: [(String, String)] = [
            ("dbname", url), ("connect_timeout", "10"), ("gssencmode", "disable"), ("client_encoding", "UTF8"),
            ("application_name", name), ("keepalives_idle", "30"), ("tcp_user_timeout", "30000"),
            (
                "options",
                "-c timezone=UTC -c statement_timeout=30000 -c lock_timeout=10000 "
                    + "-c idle_in_transaction_session_timeout=60000 -c client_min_messages=warning"
            ),
        ]
        var keywords: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0.0) } + [nil]
        var values: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0.1) } + [nil]
        defer { for text in keywords + values { free(text) } }
        let made = keywords.withUnsafeMutableBufferPointer { keys in
            values.withUnsafeMutableBufferPointer { vals in
                keys.withMemoryRebound(to: UnsafePointer<CChar>?.self) { keys in
                    vals.withMemoryRebound(to: UnsafePointer<CChar>?.self) { vals in
                        PQconnectdbParams(keys.baseAddress, vals.baseAddress, 1)
                    }
                }
            }
        }
        handle = made
        guard let made, PQstatus(made) == CONNECTION_OK else {
            throw PostgresError(.connect, made.map(Self.message) ?? "out of memory")
        }
        // The default notice receiver prints to stderr; the server's warnings are not for our log stream.
        PQsetNoticeProcessor(made, { _, _ in }, nil)
    }

    /// Runs one statement and returns all its rows.
    ///
    /// - Throws: `PostgresError`; after `closed` the connection cannot be used any more. In a transaction in which a
    ///   statement has failed, that failure again instead of SQLSTATE 25P02, which would hide the cause.
    @discardableResult
    public func query(_ sql: SQL) throws -> [Row] {
        let result = try execute(sql, isBinary: false)
        defer { PQclear(result) }
        return Self.rows(of: result)
    }

    /// Commits the transaction that is open.
    ///
    /// - Throws: the failure of one of its statements when that was swallowed: Postgres would answer `COMMIT` by
    ///   rolling back, without an error.
    func commit() throws {
        if let failure { throw failure }
        try query("COMMIT")
    }

    /// Runs one statement and reads its rows, which come in Postgres's binary form: for what is large or many.
    ///
    /// - Parameter read: is called for each row in turn, on the connection's thread.
    public func query<Value: Sendable>(
        _ sql: SQL, read: @Sendable (borrowing BinaryRow) throws -> Value
    ) throws -> [Value] {
        let result = try execute(sql, isBinary: true)
        defer { PQclear(result) }
        return try (0..<PQntuples(result)).map { try read(BinaryRow(result: result, row: $0)) }
    }

    /// - Returns: what the caller is to clear.
    private func execute(_ sql: SQL, isBinary: Bool) throws -> OpaquePointer {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        let statement = try prepare(sql.text, on: handle)
        var values: [UnsafeMutablePointer<CChar>?] = sql.binds.map { $0.flatMap(Self.copy) }
        defer { for value in values { free(value) } }
        let lengths = sql.binds.map { if case .binary(let bytes) = $0 { Int32(bytes.count) } else { Int32(0) } }
        let formats = sql.binds.map { if case .binary = $0 { Int32(1) } else { Int32(0) } }
        let result = values.withUnsafeMutableBufferPointer { pointers in
            pointers.withMemoryRebound(to: UnsafePointer<CChar>?.self) { pointers in
                if let statement {
                    PQexecPrepared(
                        handle, statement, Int32(pointers.count), pointers.baseAddress, lengths, formats,
                        isBinary ? 1 : 0)
                } else {
                    PQexecParams(
                        handle, sql.text, Int32(pointers.count), nil, pointers.baseAddress, lengths, formats,
                        isBinary ? 1 : 0)
                }
            }
        }
        do {
            try check(result, on: handle)
        } catch {
            PQclear(result)
            throw error
        }
        drainNotifications(handle)
        guard let result else { throw PostgresError(.closed, "out of memory") }
        return result
    }

    private static func copy(_ bind: SQL.Bind) -> UnsafeMutablePointer<CChar>? {
        switch bind {
        case .text(let text): return strdup(text)
        case .binary(let bytes):
            let copy = malloc(bytes.count)
            copy?.copyMemory(from: bytes, byteCount: bytes.count)
            return copy?.assumingMemoryBound(to: CChar.self)
        }
    }

    /// Runs several statements separated by semicolons, without parameters, in one round trip.
    public func script(_ text: String) throws {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        let result = PQexec(handle, text)
        defer { PQclear(result) }
        try check(result, on: handle)
        drainNotifications(handle)
    }

    /// Begins to deliver notifications of `channels` to `receiver`, on the connection's thread.
    ///
    /// `receiver` is called once more with an empty channel when the connection is lost.
    public func listen(
        _ channels: [String], _ receiver: @escaping @Sendable (PostgresNotification) -> Void
    ) throws {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        for channel in channels { try query("LISTEN \(identifier: channel)") }
        notify = receiver
        thread.watch(PQsocket(handle)) { [weak self] in
            // The thread calls this between jobs, and this actor's executor is that thread.
            self?.assumeIsolated { $0.readable() }
        }
    }

    /// No transaction is open and the session is usable.
    public var isIdle: Bool {
        handle.map { PQstatus($0) == CONNECTION_OK && PQtransactionStatus($0) == PQTRANS_IDLE } ?? false
    }

    /// The session has ended, by whomever.
    var isBroken: Bool { handle.map { PQstatus($0) != CONNECTION_OK } ?? true }

    /// Ends the session and its thread. Idempotent.
    public func close() {
        thread.unwatch()
        if let handle { PQfinish(handle) }
        if handle != nil || notify != nil { notify = nil }
        handle = nil
        thread.stop()
    }

    private func readable() {
        guard let handle else { return }
        if PQconsumeInput(handle) == 0 || PQstatus(handle) != CONNECTION_OK {
            thread.unwatch()
            notify?(PostgresNotification(channel: "", payload: ""))
            return
        }
        drainNotifications(handle)
    }

    private func drainNotifications(_ handle: OpaquePointer) {
        while let notification = PQnotifies(handle) {
            notify?(
                PostgresNotification(
                    channel: String(cString: notification.pointee.relname),
                    payload: String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
    }

    /// Statements that hold parameters are prepared once per session, which saves the server their planning.
    private func prepare(_ text: String, on handle: OpaquePointer) throws -> String? {
        if let name = prepared[text] { return name }
        guard prepared.count < Self.preparedStatementsMax, text.contains("$1") else { return nil }
        let name = "s\(prepared.count + 1)"
        let result = PQprepare(handle, name, text, 0, nil)
        defer { PQclear(result) }
        try check(result, on: handle)
        prepared[text] = name
        return name
    }

    private func check(_ result: OpaquePointer?, on handle: OpaquePointer) throws {
        let status = PQresultStatus(result)
        if status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK {
            // In a failed transaction only what ends it, or goes back to before the failure, succeeds.
            failure = nil
            return
        }
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        if PQstatus(handle) != CONNECTION_OK {
            throw PostgresError(.closed, Self.message(handle), sqlState: field("C"))
        }
        if let failure { throw failure }
        let error = PostgresError(
            .server, field("M") ?? Self.message(handle), sqlState: field("C"), constraint: field("n"))
        if PQtransactionStatus(handle) == PQTRANS_INERROR { failure = error }
        throw error
    }

    private static func message(_ handle: OpaquePointer) -> String {
        let text = PQerrorMessage(handle).map { String(cString: $0) } ?? ""
        return text.split(separator: "\n").first.map(String.init) ?? "connection lost"
    }

    private static func rows(of result: OpaquePointer?) -> [Row] {
        let width = PQnfields(result)
        let count = PQntuples(result)
        guard width > 0, count > 0 else { return [] }
        let columns = Row.Columns((0..<width).map { String(cString: PQfname(result, $0)) })
        return (0..<count).map { row in
            Row(
                columns: columns,
                values: (0..<width).map { column in
                    PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
                })
        }
    }
}

/// A `NOTIFY` from another session. An empty channel means that the connection was lost.
public struct PostgresNotification: Sendable {
    public let channel: String
    public let payload: String
}
