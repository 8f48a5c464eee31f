// SPDX-License-Identifier: Apache-2.0
import Buses
import Events
import FoundationEssentials
import Messaging
import Postgres
import ServiceKit

/// One process of the soak, made as a service of the platform is made: see soak.py, which starts them.
@main
struct Main {
    private static let rateMax = 10_000

    static func main() async {
        // The Kafka client goes by it, so that soak.py can tell whose membership of a group is whose.
        let name = ProcessInfo.processInfo.environment["SLIPWAY_SOAK_NAME"] ?? "bus-soak"
        await Bootstrap.run(name) { settings, environment in
            let databaseURL = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
            let bus = Buses.make(&settings, environment)
            let role = settings.value("soak.role", expected: "writer or handler", Role.init(rawValue:))
            let rate = settings.int("soak.rate", default: 0, in: 0...rateMax)
            try settings.check()
            guard let bus, let role else { return [] }

            let logger = environment.logger
            let pool = PostgresPool(.init(url: databaseURL, name: name))
            try await Schema.prepare(pool, role == .writer ? Schema.writer : Schema.handler, logger)
            let outbox = Outbox(pool: pool, bus: bus, source: "/slipway/soak-\(role)", logger: logger)
            environment.readiness.require("database") { await pool.problem() }
            func consumer(_ group: String, _ topic: Topic, _ handlers: EventHandlers) -> EventConsumer {
                EventConsumer(
                    bus: bus, pool: pool, outbox: outbox, group: group, topics: [topic], handlers: handlers,
                    knownTypes: EventConsumer.catalogueTypes.union([Counted.type]), logger: logger)
            }
            switch role {
            case .writer: return [pool, bus, outbox, Writer(pool: pool, outbox: outbox, rate: rate, logger: logger)]
            case .handler:
                return [
                    pool, bus, outbox, consumer(Handlers.group, Counted.topic, Handlers.counting()),
                    consumer(Handlers.lettersGroup, .deadLetters, Handlers.collectingLetters()),
                ]
            }
        }
    }

    private enum Role: String {
        case writer, handler
    }
}
