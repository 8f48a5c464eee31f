// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Messaging

struct OutboxTests {
    private struct Crash: Error {}

    @Test func whatIsCommittedTravelsAndWhatIsRolledBackDoesNot() async throws {
        try await World.with { world in
            _ = try? await world.pool.withTransaction { transaction in
                try await world.outbox.append(Note(key: "k", text: "lost"), in: transaction)
                throw Crash()
            }
            try await world.append(Note(key: "k", text: "kept"))
            try await world.consuming(.writing()) {
                try await eventually("the effect") { try await !world.effects().isEmpty }
                try await eventually("an empty outbox") { try await world.outbox.backlog().count == 0 }
            }
            let effects = try await world.effects()
            #expect(effects == ["kept"])
        }
    }

    @Test func aCrashBetweenPublishingAndMarkingPublishesTwiceAndHasOneEffect() async throws {
        try await World.with { world in
            world.bus.failOnce { records, publish in
                try await publish(records)
                throw Crash()
            }
            try await world.pool.withTransaction { transaction in
                for text in ["1", "2", "3"] {
                    try await world.outbox.append(Note(key: "k", text: text), in: transaction)
                }
            }
            world.outbox.wake()
            try await eventually("both publications") { try world.bus.published.notes().count == 6 }
            try await world.append(Note(key: "k", text: "last"))
            try await world.consuming(.writing()) {
                try await eventually("the last effect") { try await world.effects().contains("last") }
            }
            let published = try world.bus.published.notes()
            #expect(published == ["1", "2", "3", "1", "2", "3", "last"])
            let effects = try await world.effects()
            #expect(effects == ["1", "2", "3", "last"])
        }
    }

    @Test func aBatchThatIsPublishedHalfwayIsPublishedAgainInOrder() async throws {
        try await World.with { world in
            world.bus.failOnce { records, publish in
                try await publish(Array(records.prefix(records.count / 2)))
                throw Crash()
            }
            let texts = (1...10).map { String($0) }
            try await world.pool.withTransaction { transaction in
                for text in texts {
                    for key in ["a", "b"] {
                        try await world.outbox.append(Note(key: key, text: text), in: transaction)
                    }
                }
            }
            world.outbox.wake()
            try await world.consuming(.writing()) {
                try await eventually("all effects") { try await world.effects().count == 20 }
            }
            for key in ["a", "b"] {
                let effects = try await world.effects(key)
                #expect(effects == texts)
                let published = try world.bus.published.notes(key)
                #expect(published == texts.prefix(5) + texts)
            }
        }
    }

    @Test func concurrentAppendersKeepTheOrderOfEachKey() async throws {
        try await World.with { world in
            let keys = ["a", "b", "c"]
            for key in keys { try await world.pool.query("INSERT INTO counters VALUES (\(key))") }
            try await world.consuming(.writing()) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for appender in 0..<6 {
                        group.addTask {
                            for turn in 0..<25 {
                                let key = keys[(appender + turn) % keys.count]
                                try await world.pool.withTransaction { transaction in
                                    let row = try await transaction.query(
                                        "UPDATE counters SET n = n + 1 WHERE key = \(key) RETURNING n"
                                    ).first
                                    let number = try row?.string("n") ?? ""
                                    try await world.outbox.append(Note(key: key, text: number), in: transaction)
                                }
                                world.outbox.wake()
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try await eventually("all effects") { try await world.effects().count == 150 }
            }
            for key in keys {
                let expected = (1...50).map { String($0) }
                let published = try world.bus.published.notes(key)
                #expect(published == expected)
                let effects = try await world.effects(key)
                #expect(effects == expected)
            }
        }
    }

    @Test func anEventThatIsTooLargeFailsItsTransaction() async throws {
        try await World.with { world in
            let text = String(repeating: "x", count: Limits.eventBytesMax)
            let error = await #expect(throws: EventError.self) {
                try await world.pool.withTransaction { transaction in
                    try await EventHandlers.write("k", "state", transaction)
                    try await world.outbox.append(Note(key: "k", text: text), in: transaction)
                }
            }
            let message = try #require(error).description
            #expect(message.hasPrefix("test.note.v1 has 1048"))
            #expect(message.contains("at most 1048576"))
            let effects = try await world.effects()
            #expect(effects.isEmpty)
        }
    }

    @Test func anEventBelongsToTheTraceItIsAppendedIn() async throws {
        try await World.with { world in
            let trace = TraceContext.root()
            try await TraceContext.$current.withValue(trace) {
                try await world.append(Note(key: "k", text: "traced"))
            }
            try await world.append(Note(key: "k", text: "untraced"))
            try await eventually("both") { world.bus.published.all.count == 2 }
            let records = world.bus.published.all
            let published = try #require(records[0].traceparent.flatMap { TraceContext(traceparent: $0) })
            #expect(published.traceID == trace.traceID)
            #expect(published.parentID != trace.parentID)
            #expect(records[1].traceparent == nil)
        }
    }

    // MARK: Two processes

    /// The pools whose relay holds the lock.
    private func leaders(_ world: World) async throws -> [String] {
        try await world.pool.query(
            """
            SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND granted AND datname = current_database()
            """
        ).map { try $0.string("application_name") }
    }

    private func terminateLeader(_ world: World) async throws {
        try await world.pool.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND granted AND datname = current_database()
            """)
    }

    @Test func oneOfTwoRelaysLeadsAndTheOtherTakesOver() async throws {
        try await World.with { world in
            try await eventually("a leader") { try await leaders(world).count == 1 }
            let bus = FaultyBus(world.bus.bus)
            let pool = PostgresPool(.init(url: world.url, name: "second"))
            let second = Outbox(
                pool: pool, bus: bus, source: "/slipway/test", pollInterval: .milliseconds(50),
                logger: world.logs.logger)
            let relay = Task { try await second.run() }
            try await eventually("the standby's session") {
                try await !world.pool.query(
                    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'second-outbox'"
                ).isEmpty
            }
            try await world.append(Note(key: "k", text: "1"))
            try await eventually("publication by the first") { try world.bus.published.notes() == ["1"] }
            #expect(bus.published.all.isEmpty)
            let leading = try await leaders(world)
            #expect(leading == ["messaging-test-outbox"])

            // Whoever is faster takes over; the first is cut off until it is the second.
            try await eventually("the second leads") {
                if try await leaders(world) == ["second-outbox"] { return true }
                try await terminateLeader(world)
                return false
            }
            try await world.append(Note(key: "k", text: "2"))
            second.wake()
            try await eventually("publication by the second") { try bus.published.notes() == ["2"] }
            let first = try world.bus.published.notes()
            #expect(first == ["1"])
            relay.cancel()
            _ = await relay.result
            await pool.close()
        }
    }

    @Test func aProcessThatDoesNotLeadWakesTheOneThatDoes() async throws {
        try await World.with { world in
            // A database of its own, where nothing but the wake-up makes the leader look.
            try await TestDatabase.with { url in
                let pool = PostgresPool(.init(url: url, name: "pair"))
                try await pool.migrate([Outbox.migration])
                let bus = FaultyBus(world.bus.bus)
                func outbox() -> Outbox {
                    Outbox(
                        pool: pool, bus: bus, source: "/slipway/test", pollInterval: .seconds(3600),
                        logger: world.logs.logger)
                }
                let (leader, standby) = (outbox(), outbox())
                let leading = Task { try await leader.run() }
                try await eventually("the leader listens") {
                    try await !pool.query(
                        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pair-outbox' AND query LIKE 'WITH%'"
                    ).isEmpty
                }
                let standing = Task { try await standby.run() }
                try await pool.withTransaction { try await standby.append(Note(key: "k", text: "1"), in: $0) }
                standby.wake()
                try await eventually("publication") { try bus.published.notes() == ["1"] }
                for task in [leading, standing] {
                    task.cancel()
                    _ = await task.result
                }
                await pool.close()
            }
        }
    }

    @Test func whoLosesTheLeadWhileTheBusIsSlowStopsPublishing() async throws {
        try await World.with { world in
            try await eventually("a leader") { try await leaders(world).count == 1 }
            world.bus.failOnce { _, _ in try await Task.sleep(for: .seconds(3600)) }
            try await world.append(Note(key: "k", text: "1"))
            try await eventually("publishing has begun") { world.bus.isFaultTaken }
            let backlog = try await world.outbox.backlog()
            #expect(backlog.count == 1)
            #expect(backlog.oldestSeconds >= 0)
            try await terminateLeader(world)
            try await eventually("publication by the next relay") { try world.bus.published.notes() == ["1"] }
        }
    }
}
