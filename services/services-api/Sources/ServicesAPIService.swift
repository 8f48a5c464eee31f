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

/// Provides the services that apps declare: databases on a PostgreSQL server.
public enum ServicesAPIService {
    public static let source = "/slipway/services"

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let databaseURL = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
        let bus = Buses.make(&settings, environment)
        let controller = settings.value("controller.public.key", expected: "32 bytes in base64") {
            try? PublicSealingKey(base64: $0)
        }
        let serverURL = settings.string(
            "services.postgres.url", isSecret: true,
            expected: "the postgres:// URL of an account that may make roles and databases")
        let address = settings.value(
            "services.postgres.address", expected: "host:port at which apps reach the server, such as 10.0.0.5:5432"
        ) { ListenAddress($0).flatMap { $0.port > 0 ? $0 : nil } }
        try settings.check()
        guard let controller, let address, let bus else { return [] }

        let logger = environment.logger
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        try await pool.migrate(servicesMigrations)
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let signal = Signal()
        let consumer = EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: "services", topics: ServiceIntake.topics,
            handlers: ServiceIntake.handlers(outbox), logger: logger, afterCommit: { _ in signal.raise() })
        let provisioner = Provisioner(
            store: ServiceStore(pool: pool, outbox: outbox), serverURL: serverURL, host: address.host,
            port: address.port, controller: controller, signal: signal, logger: logger)
        environment.readiness.require("database") { await pool.problem() }
        return [pool, bus, outbox, InboxPurge(pool: pool, logger: logger), provisioner, consumer]
    }
}
