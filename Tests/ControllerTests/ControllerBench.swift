// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Messaging
import Postgres
import Secrets
import Synchronization
import TestSupport

@testable import Controller
@testable import PostgresEventBus

/// A controller on a real database and a real bus, with a builder, a services API, a host and an ingress node played by
/// the test: they answer what they are asked at once.
final class ControllerBench: Sendable {
    let pool: PostgresPool
    let bus: PostgresEventBus
    let controllerKey = PrivateSealingKey()
    let builderKey = PrivateSealingKey()
    let hostKey = PrivateSealingKey()
    static let host = HostID("hst_1")
    static let node = IngressNodeID("ing_1")
    static let serviceURL = "postgresql://role:sentinel-of-the-service@db/x"

    struct Seen: Sendable {
        var instances: [InstanceID: InstanceDesired] = [:]
        var routes: [String: RouteDesired] = [:]
        var builds: [BuildRequested] = []
        var serviceRequests: [ServiceRequested] = []
        var succeeded: [DeploymentSucceeded] = []
        var failed: [DeploymentFailed] = []
        /// Set by the test: services that are asked for fail with this.
        var serviceFailure: String?
        var generation = 0
        /// Whatever the others were sent, tombstones too.
        var records: [Record] = []
    }

    private let state = Mutex(Seen())
    var seen: Seen { state.withLock { $0 } }

    private init(pool: PostgresPool, bus: PostgresEventBus) {
        self.pool = pool
        self.bus = bus
    }

    static func with(_ body: @Sendable (ControllerBench) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            try await TestDatabase.with { busURL in
                let pool = PostgresPool(.init(url: url, name: "controller-test"))
                let busPool = PostgresPool(.init(url: busURL, name: "controller-test-bus", connectionsMax: 12))
                let bus = PostgresEventBus(pool: busPool, prefix: "test", logger: Logger(label: "test"))
                try await bus.prepare()
                try await pool.migrate(controllerMigrations)
                let bench = ControllerBench(pool: pool, bus: bus)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await bus.run() }
                    group.addTask { try await bench.playTheOthers() }
                    try await bench.heartbeat()
                    try await body(bench)
                    group.cancelAll()
                }
                await pool.close()
                await busPool.close()
            }
        }
    }

    /// Runs a controller beside `body`; it ends with it as if it were killed.
    func withController(_ body: () async throws -> Void) async throws {
        var logger = Logger(label: "controller")
        logger.logLevel = .critical
        let outbox = Outbox(pool: pool, bus: bus, source: ControllerService.source, logger: logger)
        let composer = InstanceComposer(key: controllerKey, builders: builderKey.publicKey)
        let reconciler = Reconciler(pool: pool, outbox: outbox, composer: composer, logger: logger)
        let router = MarkRouter(pool: pool, reconciler: reconciler)
        let consumer = EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: "controller", topics: EventIntake.topics,
            handlers: EventIntake.handlers(outbox), logger: logger, afterCommit: { router.route($0) })
        let running = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await outbox.run() }
                group.addTask { try await reconciler.run() }
                group.addTask { try await router.run() }
                group.addTask { try await consumer.run() }
                try await group.waitForAll()
            }
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        running.cancel()
        _ = try? await running.value
        try result.get()
    }

    func publish(_ payload: some EventPayload, traceparent: String? = nil) async throws {
        try await bus.publish([Event(source: "/slipway/test", traceparent: traceparent, data: payload).record()])
    }

    func failServices(_ reason: String?) { state.withLock { $0.serviceFailure = reason } }

    func heartbeat() async throws {
        try await publish(
            HostObserved(
                host: Self.host, name: "host", address: "127.0.0.1", sealingKey: hostKey.publicKey,
                memoryBytes: 8 << 30, cpuMillis: 4000, engineIsUp: true, agentVersion: "test", heartbeatAt: .now()))
        try await acknowledge(seen.generation)
    }

    private func acknowledge(_ generation: Int) async throws {
        try await publish(
            RoutesObserved(node: Self.node, generation: generation, draining: [:], heartbeatAt: .now()))
    }

    // MARK: The others

    private func playTheOthers() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.bus.consume(group: "others", topics: [.builds, .services, .deployments]) { incoming in
                    try await self.answer(incoming.record)
                }
            }
            group.addTask {
                try await self.bus.follow(.instancesDesired, partitionKey: nil) { event in
                    if case .record(let record) = event { try await self.run(record) }
                }
            }
            group.addTask {
                try await self.bus.follow(.routesDesired, partitionKey: nil) { event in
                    if case .record(let record) = event { try await self.serve(record) }
                }
            }
            try await group.waitForAll()
        }
    }

    private func answer(_ record: Record) async throws {
        state.withLock { $0.records.append(record) }
        switch record.type {
        case BuildRequested.type:
            let build = try Event<BuildRequested>(record).data
            state.withLock { $0.builds.append(build) }
            try await publish(
                BuildSucceeded(
                    build: build.build, identity: build.identity, deployment: build.deployment,
                    image: "sha256:\(build.identity)", imageBytes: 1, wasReused: false, durationMilliseconds: 1))
        case ServiceRequested.type:
            let service = try Event<ServiceRequested>(record).data
            let failure = state.withLock { state in
                state.serviceRequests.append(service)
                return state.serviceFailure
            }
            if let failure {
                try await publish(
                    ServiceFailed(service: service.service, environment: service.environment, reason: failure))
            } else {
                let url = try Sealed(
                    Self.serviceURL, to: controllerKey.publicKey, context: ServiceProvisioned.context(service.service))
                try await publish(
                    ServiceProvisioned(service: service.service, environment: service.environment, url: url))
            }
        case DeploymentSucceeded.type:
            let succeeded = try Event<DeploymentSucceeded>(record).data
            state.withLock { $0.succeeded.append(succeeded) }
        case DeploymentFailed.type:
            let failed = try Event<DeploymentFailed>(record).data
            state.withLock { $0.failed.append(failed) }
        default: break
        }
    }

    private func run(_ record: Record) async throws {
        state.withLock { $0.records.append(record) }
        guard record.value != nil else { return }
        let desired = try Event<InstanceDesired>(record).data
        state.withLock { $0.instances[desired.instance] = desired }
        let phase: InstanceObserved.Phase =
            switch (desired.goal, desired.role) {
            case (.stopped, _): .stopped
            case (.running, .release): .exited(code: 0)
            case (.running, .web): .ready(address: "127.0.0.1", port: 1234)
            }
        try await publish(
            InstanceObserved(
                instance: desired.instance, host: desired.host, environment: desired.environment,
                deployment: desired.deployment, phase: phase, restarts: 0, observedAt: .now()))
    }

    private func serve(_ record: Record) async throws {
        state.withLock { $0.records.append(record) }
        guard record.value != nil else {
            state.withLock { $0.routes[record.key] = nil }
            return
        }
        let route = try Event<RouteDesired>(record).data
        let generation = state.withLock { state in
            state.routes[route.hostname] = route
            state.generation = max(state.generation, route.generation)
            return state.generation
        }
        try await acknowledge(generation)
    }
}
