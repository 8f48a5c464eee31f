// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Messaging
import Postgres
import PostgresEventBus
import Secrets
import ServiceKit
import ServiceLifecycle

/// The orchestrator.
public enum ControllerService {
    public static let source = "/slipway/controller"

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let databaseURL = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
        let busURL = settings.string("bus.url", isSecret: true, expected: "a postgres:// URL")
        let cloudspace = settings.string("cloudspace", default: "local")
        let key = settings.value("controller.private.key", isSecret: true, expected: "32 bytes in base64") {
            try? PrivateSealingKey(base64: $0)
        }
        let builders = settings.value("builder.public.key", expected: "32 bytes in base64") {
            try? PublicSealingKey(base64: $0)
        }
        try settings.check()
        guard let key, let builders else { return [] }

        let logger = environment.logger
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        let busPool = PostgresPool(.init(url: busURL, name: environment.name + "-bus"))
        let bus = PostgresEventBus(pool: busPool, prefix: cloudspace, logger: logger)
        try await pool.migrate(controllerMigrations)
        try await bus.prepare()
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let reconciler = Reconciler(
            pool: pool, outbox: outbox, composer: InstanceComposer(key: key, builders: builders), logger: logger)
        let router = MarkRouter(pool: pool, reconciler: reconciler)
        let consumer = EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: "controller", topics: EventIntake.topics,
            handlers: EventIntake.handlers(outbox), logger: logger, afterCommit: { router.route($0) })
        environment.readiness.require("database") { await pool.problem() }
        environment.readiness.require("bus") { await bus.isReachable() ? nil : "not reachable" }
        return [
            pool, busPool, bus, outbox, InboxPurge(pool: pool, logger: logger), reconciler, router, consumer,
        ]
    }
}
