// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Messaging
import NIOCore
import Postgres
import PostgresEventBus
import Secrets
import Synchronization
import TestSupport

@testable import ControlPanel

/// A panel on a database of its own, with its API in this process.
struct PanelFixture: Sendable {
    let panel: PanelServices
    let pool: PostgresPool
    let controllerKey: PrivateSealingKey
    let logs: LogRecord
    /// Of an owner of the organisation `acme`.
    let token: String
    /// For whatever a test writes.
    let folder: String

    /// - Parameters:
    ///   - hook: the `pre-receive` hook of the panel's repositories.
    ///   - bus: is not run here.
    static func with<Result>(
        hook: [String] = ["/bin/true"], bus: any EventBus = NoBus(), _ body: (PanelFixture) async throws -> Result
    ) async throws -> Result {
        signal(SIGPIPE, SIG_IGN)
        return try await TestDatabase.with { url in
            let folder = TemporaryFolder.make()
            let pool = PostgresPool(.init(url: url, name: "panel-tests"))
            let result: Swift.Result<Result, any Error>
            do {
                result = .success(try await body(make(pool: pool, folder: folder, hook: hook, bus: bus)))
            } catch {
                result = .failure(error)
            }
            await pool.close()
            try? FileManager.default.removeItem(atPath: folder)
            return try result.get()
        }
    }

    /// A panel on a bus of its own, with bus, outbox and the panel's consumer running.
    static func withBus(_ body: @escaping @Sendable (PanelFixture) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            let bus = PostgresEventBus(
                ownPool: .init(url: url, name: "panel-tests-bus"), prefix: "test",
                logger: Logger(label: "bus", factory: { _ in SwiftLogNoOpLogHandler() }))
            let running = Task { try await bus.run() }
            let result: Swift.Result<Void, any Error>
            do {
                result = .success(try await with(bus: bus) { try await $0.running(body) })
            } catch {
                result = .failure(error)
            }
            running.cancel()
            _ = try? await running.value
            try result.get()
        }
    }

    private func running(_ body: @escaping @Sendable (PanelFixture) async throws -> Void) async throws {
        try await panel.bus.prepare()
        let tasks = [
            Task { try await panel.outbox.run() }, Task { try await panel.consumer().run() },
        ]
        let result: Swift.Result<Void, any Error>
        do { result = .success(try await body(self)) } catch { result = .failure(error) }
        for task in tasks { task.cancel() }
        for task in tasks { _ = try? await task.value }
        try result.get()
    }

    private static func make(
        pool: PostgresPool, folder: String, hook: [String], bus: any EventBus
    ) async throws -> PanelFixture {
        try await pool.migrate(panelMigrations)
        let key = PrivateSealingKey()
        let logs = LogRecord()
        let configuration = PanelConfiguration(
            url: "http://panel.test", repositories: folder + "/repositories", domain: "apps.test",
            appURL: "http://{hostname}", controllerKey: key.publicKey,
            cloneTokens: CloneTokens(secret: "0123456789abcdef0123456789abcdef"),
            fingerprints: RequestFingerprints(secret: "0123456789abcdef0123456789abcdef"), hookCommand: hook)
        let logger = Logger(label: "panel") { _ in RecordingLogHandler(record: logs) }
        let outbox = Outbox(pool: pool, bus: bus, source: "/slipway/panel", logger: logger)
        let panel = PanelServices(
            configuration: configuration, pool: pool, outbox: outbox, bus: bus, logger: logger)
        try await panel.repositories.prepare(hookCommand: hook)
        let token = try await panel.accounts.createUser(
            email: "ada@example.org", organisation: "acme", tokenName: "tests")
        return PanelFixture(
            panel: panel, pool: pool, controllerKey: key, logs: logs, token: token.text, folder: folder)
    }

    /// Runs `body` with a client of the panel's API, in this process and without a socket.
    func withAPI<Value: Sendable>(
        _ body: @escaping @Sendable (PanelClient) async throws -> Value
    ) async throws -> Value {
        let token = token
        return try await application.test(.router) { client in
            try await body(PanelClient(client: client, token: token))
        }
    }

    /// As `withAPI`, with a real server on a port of the system's choice.
    func withServer<Value: Sendable>(
        _ body: @escaping @Sendable (PanelClient, Int) async throws -> Value
    ) async throws -> Value {
        let token = token
        return try await application.test(.live) { client in
            try await body(PanelClient(client: client, token: token), client.port ?? 0)
        }
    }

    private var application: some ApplicationProtocol {
        panel.application(host: "127.0.0.1", port: 0, onRunning: { _ in })
    }

    /// Another user, who is a member of `acme` in this role, or of nothing.
    func user(_ email: String, role: Role?, isOperator: Bool = false) async throws -> String {
        let token = try await panel.accounts.createUser(
            email: email, organisation: "org-\(email.prefix { $0 != "@" })", tokenName: "tests",
            isOperator: isOperator)
        if let role {
            try await pool.query(
                """
                INSERT INTO memberships (user_id, organisation, role)
                SELECT users.id, organisations.id, \(role.rawValue) FROM users, organisations
                WHERE users.email = \(email) AND organisations.name = 'acme'
                """)
        }
        return token.text
    }

    /// What was recorded for publishing, in order.
    func published(_ type: String? = nil) async throws -> [Record] {
        try await pool.query("SELECT topic, key, headers, value FROM outbox ORDER BY id").map { row in
            Record(
                topic: try row.string("topic"), key: try row.string("key"),
                headers: RecordHeaders(
                    try JSONDecoder().decode([String: String].self, from: Data(row.string("headers").utf8))),
                value: try row.optionalString("value").map { Data($0.utf8) })
        }.filter { type == nil || $0.type == type }
    }

    /// What a handler of the panel does with an event.
    func apply(_ body: (PostgresConnection) async throws -> Void) async throws {
        try await pool.withTransaction { try await body($0) }
    }
}

/// Requests to the panel's API as the owner of `acme`.
struct PanelClient: Sendable {
    let client: any TestClientProtocol
    let token: String

    @discardableResult
    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, headers: HTTPFields = [:],
        token: String? = nil
    ) async throws -> PanelAnswer {
        var headers = headers
        let token = token ?? self.token
        if !token.isEmpty { headers[.authorization] = "Bearer \(token)" }
        let response = try await client.execute(
            uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        return PanelAnswer(
            status: response.status.code, headers: response.headers, text: String(buffer: response.body))
    }
}

struct PanelAnswer: Sendable {
    let status: Int
    let headers: HTTPFields
    let text: String

    var json: JSON {
        get throws { try JSONParser.parse(Array(text.utf8)) }
    }
}

/// Events stay in the outbox.
struct NoBus: QuietBus {
    static let reason = "there is no bus in this test"

    func prepare() async throws { throw BusError(Self.reason) }
    func publish(_: [Record]) async throws { throw BusError(Self.reason) }
    func topicPositions() async throws -> [TopicPosition] { throw BusError(Self.reason) }
    func groupPositions() async throws -> [GroupPosition] { throw BusError(Self.reason) }
    func problem() async -> String? { Self.reason }
}

enum TemporaryFolder {
    /// A new folder that nobody else uses.
    static func make() -> String {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let path = "\(base)/slipway-panel-\(UInt64.random(in: .min ... .max))"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

/// Everything that was logged.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
}

struct RecordingLogHandler: LogHandler {
    let record: LogRecord
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        record.add("\(event.level) \(event.message) \(metadata) \(event.metadata ?? [:])")
    }
}
