// SPDX-License-Identifier: Apache-2.0
import Buses
import Domain
import EventBus
import Events
import Logging
import Messaging
import Postgres
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
        let bus = Buses.make(&settings, environment)
        let key = settings.value("controller.private.key", isSecret: true, expected: "32 bytes in base64") {
            try? PrivateSealingKey(base64: $0)
        }
        let builders = settings.value("builder.public.key", expected: "32 bytes in base64") {
            try? PublicSealingKey(base64: $0)
        }
        let usageInterval = settings.int("controller.usage.interval", default: 60, in: UsageRecorder.intervalSeconds)
        try settings.check()
        guard let key, let builders, let bus else { return [] }

        let logger = environment.logger
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        try await pool.migrate(controllerMigrations)
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let reconciler = Reconciler(
            pool: pool, outbox: outbox, composer: InstanceComposer(key: key, builders: builders), logger: logger)
        let router = MarkRouter(pool: pool, reconciler: reconciler)
        let consumer = EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: "controller", topics: EventIntake.topics,
            handlers: EventIntake.handlers(outbox), logger: logger, afterCommit: { router.route($0) })
        environment.readiness.require("database") { await pool.problem() }
        let usage = UsageRecorder(pool: pool, outbox: outbox, interval: .seconds(usageInterval), logger: logger)
        return [
            pool, bus, outbox, InboxPurge(pool: pool, logger: logger), reconciler, router, consumer, usage,
        ]
    }
}
