// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Postgres
import Secrets
import TestSupport
import Testing

@testable import Messaging
@testable import ServicesAPI

/// A services API in one test database, provisioning on the server of that database.
private struct Stage: Sendable {
    let pool: PostgresPool
    let consumer: EventConsumer
    let provisioner: Provisioner
    let key: PrivateSealingKey
    let serverURL: String

    static func with<Result>(
        serverURL: String? = nil, _ body: (Stage) async throws -> Result
    ) async throws -> Result {
        try await TestDatabase.with { url in
            let logger = Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() })
            let pool = PostgresPool(.init(url: url, name: "tests"))
            let result: Swift.Result<Result, any Error>
            do {
                try await pool.migrate(servicesMigrations)
                let outbox = Outbox(pool: pool, bus: SilentBus(), source: ServicesAPIService.source, logger: logger)
                let key = PrivateSealingKey()
                let (host, port) = address(of: url)
                let provisioner = Provisioner(
                    store: ServiceStore(pool: pool, outbox: outbox), serverURL: serverURL ?? url, host: host,
                    port: port, controller: key.publicKey, signal: Signal(), logger: logger)
                let consumer = EventConsumer(
                    bus: SilentBus(), pool: pool, outbox: outbox, group: "services", topics: ServiceIntake.topics,
                    handlers: ServiceIntake.handlers(outbox), logger: logger)
                result = .success(
                    try await body(
                        Stage(pool: pool, consumer: consumer, provisioner: provisioner, key: key, serverURL: url)))
            } catch {
                result = .failure(error)
            }
            await pool.close()
            return try result.get()
        }
    }

    /// Host and port of `postgresql://user@host:port/database`.
    private static func address(of url: String) -> (String, Int) {
        let authority = url.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first ?? ""
        let place = authority.split(separator: "@").last ?? ""
        let parts = place.split(separator: ":")
        return (parts.first.map(String.init) ?? "127.0.0.1", parts.last.flatMap { Int($0) } ?? 5432)
    }

    func deliver(_ payload: some EventPayload, traceparent: String? = nil) async throws {
        let record = try Event(source: "/slipway/controller", traceparent: traceparent, data: payload).record()
        try await consumer.handle(IncomingRecord(record: record, partition: 0, offset: 0))
    }

    /// Events of one type so far, oldest first.
    func events<Payload: EventPayload>(_: Payload.Type) async throws -> [Payload] {
        try await pool.query("SELECT value FROM outbox WHERE headers ->> 'ce_type' = \(Payload.type) ORDER BY id").map {
            try JSONDecoder().decode(Payload.self, from: Data($0.string("value").utf8))
        }
    }

    func request(version: String? = nil) async throws -> ServiceRequested {
        let major = try await DatabaseServer.major(at: serverURL)
        return ServiceRequested(
            service: .generate(), environment: EnvironmentID("env_1"), organisation: "acme", app: "shop", name: "db",
            spec: ServiceSpec(kind: .postgresql, version: version ?? String(major)))
    }

    func open(_ event: ServiceProvisioned) throws -> String {
        try key.open(event.url, context: ServiceProvisioned.context(event.service))
    }

    func existing(_ service: ServiceInstanceID) async throws -> [String] {
        let name = ServiceIntake.databaseName(of: service)
        return try await pool.query(
            """
            SELECT 'database' AS found FROM pg_database WHERE datname = \(name)
            UNION ALL SELECT 'role' FROM pg_roles WHERE rolname = \(name)
            """
        ).map { try $0.string("found") }
    }

    /// Provisioned databases live outside the test's own one.
    func removing(_ service: ServiceInstanceID, _ body: () async throws -> Void) async throws {
        let result: Swift.Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        try await deliver(ServiceRemovalRequested(service: service))
        _ = await provisioner.round()
        try result.get()
    }
}

extension DatabaseServer {
    fileprivate static func major(at url: String) async throws -> Int {
        let connection = try await PostgresConnection.connect(to: url, name: "tests")
        let major = try await DatabaseServer(connection: connection).majorVersion()
        await connection.close()
        return major
    }
}

@Suite struct ServiceLifeTests {
    @Test func aServiceIsProvisionedAndItsURLWorks() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            try await stage.removing(request.service) {
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                let event = try #require(try await stage.events(ServiceProvisioned.self).first)
                #expect(event.service == request.service && event.environment == request.environment)
                let connection = try await PostgresConnection.connect(to: try stage.open(event), name: "tests")
                try await connection.script("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
                let row = try await connection.query("SELECT current_user AS me, count(*) AS count FROM t").first
                #expect(try row?.string("me") == ServiceIntake.databaseName(of: request.service))
                await connection.close()
            }
        }
    }

    @Test func noReadablePasswordIsKept() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            try await stage.removing(request.service) {
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                let event = try #require(try await stage.events(ServiceProvisioned.self).first)
                let url = try stage.open(event)
                let password = try #require(url.split(separator: "@").first?.split(separator: ":").last)
                #expect(password.utf8.count == 32)
                for table in ["service_instances", "outbox"] {
                    let rows = try await stage.pool.query("SELECT t::text AS content FROM \(identifier: table) AS t")
                    #expect(try rows.allSatisfy { try !$0.string("content").contains(password) })
                }
            }
        }
    }

    @Test func aRepeatedRequestIsAnsweredWithTheSameURL() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            try await stage.removing(request.service) {
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                let urls = try await stage.events(ServiceProvisioned.self).map { try stage.open($0) }
                #expect(urls.count == 2 && Set(urls).count == 1)
            }
        }
    }

    @Test func whatACrashLeftHalfMadeIsTakenOver() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            let name = try #require(ServiceIntake.databaseName(of: request.service))
            try await stage.removing(request.service) {
                try await stage.pool.query("CREATE ROLE \(identifier: name) NOLOGIN")
                try await stage.pool.query("CREATE DATABASE \(identifier: name) OWNER \(identifier: name)")
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                let event = try #require(try await stage.events(ServiceProvisioned.self).first)
                let connection = try await PostgresConnection.connect(to: try stage.open(event), name: "tests")
                #expect(await connection.isIdle)
                await connection.close()
            }
        }
    }

    @Test func aRemovedServiceLeavesNothingOnTheServer() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            try await stage.deliver(request)
            _ = await stage.provisioner.round()
            #expect(try await stage.existing(request.service).sorted() == ["database", "role"])
            let event = try #require(try await stage.events(ServiceProvisioned.self).first)
            // An app that is still connected does not keep its data alive.
            let connection = try await PostgresConnection.connect(to: try stage.open(event), name: "tests")
            try await stage.deliver(ServiceRemovalRequested(service: request.service))
            _ = await stage.provisioner.round()
            await connection.close()
            #expect(try await stage.existing(request.service).isEmpty)
            #expect(try await stage.events(ServiceRemoved.self).map(\.service) == [request.service])
        }
    }

    @Test func whatBecomesOfAServiceBelongsToTheTraceOfWhoAskedForIt() async throws {
        try await Stage.with { stage in
            let traces = [TraceContext.root(), .root(), .root()]
            var request = try await stage.request(version: "9")
            let right = try await stage.request()
            try await stage.deliver(request, traceparent: traces[0].traceparent)
            _ = await stage.provisioner.round()
            request.spec = right.spec
            try await stage.removing(request.service) {
                try await stage.deliver(request, traceparent: traces[1].traceparent)
                _ = await stage.provisioner.round()
                try await stage.deliver(
                    ServiceRemovalRequested(service: request.service), traceparent: traces[2].traceparent)
                _ = await stage.provisioner.round()
                let found = try await stage.pool.query(
                    "SELECT headers ->> 'ce_type' AS type, headers ->> 'traceparent' AS trace FROM outbox ORDER BY id"
                ).map { row in
                    (try row.string("type"), TraceContext(traceparent: try row.optionalString("trace") ?? ""))
                }
                #expect(found.map(\.0) == [ServiceFailed.type, ServiceProvisioned.type, ServiceRemoved.type])
                #expect(found.map(\.1?.traceID) == traces.map(\.traceID))
                #expect(zip(found, traces).allSatisfy { $0.1?.parentID != $1.parentID })
            }
        }
    }

    @Test func aServiceThatNeverWasCountsAsRemoved() async throws {
        try await Stage.with { stage in
            let service = ServiceInstanceID.generate()
            try await stage.deliver(ServiceRemovalRequested(service: service))
            #expect(try await stage.events(ServiceRemoved.self).map(\.service) == [service])
        }
    }

    @Test func aRemovedServiceCannotBeRequestedAgain() async throws {
        try await Stage.with { stage in
            let request = try await stage.request()
            try await stage.removing(request.service) { try await stage.deliver(request) }
            try await stage.deliver(request)
            #expect(try await stage.events(ServiceFailed.self).count == 1)
            #expect(try await stage.events(ServiceProvisioned.self).isEmpty)
        }
    }

    @Test func aVersionThatIsNotOfferedFailsWithItsReasonAndCanBeCorrected() async throws {
        try await Stage.with { stage in
            var request = try await stage.request(version: "9")
            let right = try await stage.request()
            try await stage.removing(request.service) {
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                let reasons = try await stage.events(ServiceFailed.self).map(\.reason)
                #expect(reasons.count == 1 && reasons[0].hasPrefix("postgresql:9 is not offered"))
                #expect(try await stage.existing(request.service).isEmpty)
                request.spec = right.spec
                try await stage.deliver(request)
                _ = await stage.provisioner.round()
                #expect(try await stage.events(ServiceProvisioned.self).count == 1)
            }
        }
    }

    @Test func aServerThatIsAwayIsTriedAgainLater() async throws {
        try await Stage.with(serverURL: "postgresql://nobody@127.0.0.1:1/none") { stage in
            let request = try await stage.request()
            try await stage.deliver(request)
            #expect(await stage.provisioner.round() == ServicesLimits.busyPollInterval)
            let row = try await stage.pool.query("SELECT state, attempt FROM service_instances").first
            #expect(try row?.string("state") == "requested")
            #expect(try row?.int("attempt") == 1)
            #expect(try await stage.events(ServiceFailed.self).isEmpty)
        }
    }
}
