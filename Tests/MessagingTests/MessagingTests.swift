// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Logging
import Postgres
import PostgresEventBus
import Synchronization
import TestSupport
import Testing

@testable import Messaging

struct MessagingTests {
    struct World: Sendable {
        let pool: PostgresPool
        let bus: PostgresEventBus
        let outbox: Outbox
    }

    private func withWorld(_ body: @Sendable (World) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            try await TestDatabase.with { busURL in
                let logger = Logger(label: "test")
                let pool = PostgresPool(.init(url: url, name: "messaging-test"))
                let busPool = PostgresPool(.init(url: busURL, name: "messaging-test-bus"))
                let bus = PostgresEventBus(pool: busPool, prefix: "test", logger: logger)
                try await bus.prepare()
                try await pool.migrate([
                    Outbox.migration, Migration(2, "effects", "CREATE TABLE effects (build text NOT NULL)"),
                ])
                let outbox = Outbox(pool: pool, bus: bus, source: "/slipway/test", logger: logger)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await bus.run() }
                    group.addTask { try await outbox.run() }
                    try await body(World(pool: pool, bus: bus, outbox: outbox))
                    group.cancelAll()
                }
                await pool.close()
                await busPool.close()
            }
        }
    }

    private func consuming(
        _ world: World, _ handlers: EventHandlers, topics: [Topic] = [.builds], _ body: () async throws -> Void
    ) async throws {
        let consumer = EventConsumer(
            bus: world.bus, pool: world.pool, outbox: world.outbox, group: "test", topics: topics, handlers: handlers,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let task = Task { try await consumer.run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        task.cancel()
        _ = try? await task.value
        try result.get()
    }

    private func effects(_ world: World) async throws -> [String] {
        try await world.pool.query("SELECT build FROM effects ORDER BY build").map { try $0.string("build") }
    }

    private static func recordingHandlers() -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(BuildCancelRequested.self) { event, transaction in
            try await transaction.query("INSERT INTO effects VALUES (\(event.data.build))")
        }
        return handlers
    }

    @Test func whatIsCommittedTravelsAndWhatIsRolledBackDoesNot() async throws {
        struct Stop: Error {}
        try await withWorld { world in
            _ = try? await world.pool.withTransaction { transaction in
                try await world.outbox.append(BuildCancelRequested(build: BuildID("lost")), in: transaction)
                throw Stop()
            }
            try await world.pool.withTransaction { transaction in
                try await world.outbox.append(BuildCancelRequested(build: BuildID("kept")), in: transaction)
            }
            world.outbox.wake()
            try await consuming(world, Self.recordingHandlers()) {
                try await eventually("the effect") { try await !effects(world).isEmpty }
                try await eventually("the outbox is empty") { try await world.outbox.backlog().count == 0 }
            }
            #expect(try await effects(world) == ["kept"])
        }
    }

    @Test func anEventThatComesTwiceHasOneEffect() async throws {
        try await withWorld { world in
            let event = Event(source: "/slipway/test", data: BuildCancelRequested(build: BuildID("twice")))
            let last = Event(source: "/slipway/test", data: BuildCancelRequested(build: BuildID("twice")))
            try await world.bus.publish([event.record(), event.record(), event.record(), last.record()])
            try await consuming(world, Self.recordingHandlers()) {
                try await eventually("both events") { try await effects(world).count == 2 }
            }
            #expect(try await effects(world) == ["twice", "twice"])
        }
    }

    @Test func poisonIsParkedWithItsCauseAndTheNextEventIsHandled() async throws {
        try await withWorld { world in
            var broken = try Event(source: "/slipway/test", data: BuildCancelRequested(build: BuildID("b"))).record()
            broken.value = Data("{\"build\":7}".utf8)
            let good = Event(source: "/slipway/test", data: BuildCancelRequested(build: BuildID("b")))
            try await world.bus.publish([broken, good.record()])
            let letters = Mutex<[DeadLetter]>([])
            let reader = Task {
                try await world.bus.consume(group: "reader", topics: [.deadLetters]) { incoming in
                    let letter = try Event<DeadLetter>(incoming.record).data
                    letters.withLock { $0.append(letter) }
                }
            }
            try await consuming(world, Self.recordingHandlers()) {
                try await eventually("the good one") { try await effects(world) == ["b"] }
                try await eventually("the letter") { letters.withLock { $0.count } == 1 }
            }
            reader.cancel()
            _ = try? await reader.value
            let letter = try #require(letters.withLock { $0.first })
            #expect(letter.cause.contains("build"))
            #expect(letter.topic == "builds")
        }
    }

    @Test func aHandlerThatKeepsFailingIsTriedThenParked() async throws {
        struct Bug: Error {}
        try await withWorld { world in
            let attempts = Mutex(0)
            var handlers = EventHandlers()
            handlers.on(BuildCancelRequested.self) { _, _ in
                attempts.withLock { $0 += 1 }
                throw Bug()
            }
            handlers.on(BuildFailed.self) { event, transaction in
                try await transaction.query("INSERT INTO effects VALUES (\(event.data.build))")
            }
            let bad = Event(source: "/t", data: BuildCancelRequested(build: BuildID("same")))
            let next = Event(
                source: "/t",
                data: BuildFailed(build: BuildID("same"), identity: "i", deployment: DeploymentID("d"), reason: "r"))
            try await world.bus.publish([bad.record(), next.record()])
            try await consuming(world, handlers) {
                try await eventually("the next") { try await effects(world) == ["same"] }
            }
            #expect(attempts.withLock { $0 } == EventConsumer.attemptsMax)
        }
    }
}
