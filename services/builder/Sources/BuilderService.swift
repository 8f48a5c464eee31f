// SPDX-License-Identifier: Apache-2.0
import Buses
import Domain
import EngineClient
import EventBus
import Events
import Logging
import Messaging
import Postgres
import Secrets
import ServiceKit
import ServiceLifecycle

/// Turns commits into images. Builders share the queue: any number of them may run, each with a work folder of its own.
public enum BuilderService {
    public static let source = "/slipway/builder"

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let databaseURL = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
        let cloudspace = settings.string("cloudspace", default: "local")
        let bus = Buses.make(&settings, environment)
        let key = settings.value("builder.private.key", isSecret: true, expected: "32 bytes in base64") {
            try? PrivateSealingKey(base64: $0)
        }
        let socket = settings.string("engine.socket", default: "/var/run/docker.sock")
        let work = settings.string("builder.work", expected: "a directory that the builder may write to")
        let concurrency = settings.int("builder.concurrency", default: 1, in: BuilderLimits.concurrency)
        let timeout = settings.int("builder.timeout", default: 1_800, in: BuilderLimits.timeoutSeconds)
        let network = settings.optionalString("builder.network")
        try settings.check()
        guard let key, let bus else { return [] }

        let logger = environment.logger
        let folder = try WorkFolder(work)
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        try await pool.migrate(builderMigrations)
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let store = BuildStore(pool: pool, outbox: outbox, worker: folder.worker)
        try await store.recover()

        let signal = Signal()
        let consumer = EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: "builder", topics: BuildIntake.topics,
            handlers: BuildIntake.handlers(outbox), logger: logger, afterCommit: { _ in signal.raise() })
        // Last of all that can fail: once made, it must be shut down.
        let engine = EngineClient(socketPath: socket, logger: logger)
        let image = ImageBuild(
            engine: engine, bus: bus, key: key, folder: folder, cloudspace: cloudspace, network: network,
            logger: logger)
        let worker = BuildWorker(
            store: store, image: image, concurrency: concurrency, timeout: .seconds(timeout), signal: signal,
            logger: logger)
        environment.readiness.require("database") { await pool.problem() }
        environment.readiness.require("engine") { await Self.problem(of: engine) }
        return [
            EngineConnections(engine: engine), pool, bus, outbox, InboxPurge(pool: pool, logger: logger),
            worker, consumer,
        ]
    }

    private static func problem(of engine: EngineClient) async -> String? {
        do {
            try await engine.ping()
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// Closes the engine's connections once everything that uses them has stopped.
private struct EngineConnections: Service {
    let engine: EngineClient

    func run() async throws {
        try? await gracefulShutdown()
        try? await engine.shutdown()
    }
}
