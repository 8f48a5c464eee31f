// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import PostgresEventBus

/// What only the embedded bus has: sessions that die, fencing, its doorbell, its upkeep.
@Suite(.timeLimit(.minutes(3)))
struct PostgresEventBusTests {
    private func withBus(
        _ topics: [Topic], _ body: @escaping @Sendable (TestBus, PostgresConnection) async throws -> Void
    ) async throws {
        try await TestBus.with(.postgres, topics) { test in
            let administrator = try await PostgresConnection.connect(to: test.maker.address, name: "administrator")
            let result = await attempt { try await body(test, administrator) }
            await administrator.close()
            try result.get()
        }
    }

    // MARK: Sessions that die

    /// Ends the sessions that hold the locks of members, as a network would that loses them.
    private func endMembers(_ administrator: PostgresConnection) async throws {
        let ended = try await administrator.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """)
        #expect(!ended.isEmpty)
    }

    @Test func aMemberThatLostItsSessionCannotMoveTheGroupBack() async throws {
        try await withBus([.builds]) { test, administrator in
            let number = partition(ofKey: "k", count: Topic.builds.partitions)
            let gate = Gate()
            let cutOff = Ledger()
            try await test.bus.publish((0..<10).map { Record(.builds, "k", "\($0)") })
            _ = test.consume("g", [.builds]) { incoming in
                // A task of its own, which does not hear when the handler is cancelled.
                try await cutOff.handle(incoming) { try await Task { try await gate.wait() }.value }
            }
            try await eventually("the handler is in the first record") { !cutOff.begun.isEmpty }
            try await endMembers(administrator)
            try await test.withClient { other in
                let successor = Ledger()
                _ = test.consume("g", [.builds], on: other) { try await successor.handle($0) }
                try await eventually("the successor has it all", within: membershipMax) {
                    try await test.committed("g", .builds, partition: number) == 10
                }
                #expect(successor.firsts.texts == (0..<10).map(String.init))
                #expect(cutOff.finished.isEmpty)
                gate.open()
                try await eventually("the stuck handler returns") { cutOff.finished.count == 1 }
                try await test.bus.publish((10..<15).map { Record(.builds, "k", "\($0)") })
                try await eventually("the rest is handled", within: membershipMax) {
                    let committed = try await test.committed("g", .builds, partition: number)
                    #expect(committed >= 10)
                    return committed == 15
                }
                #expect(cutOff.begun.texts.first == "0")
                let late = cutOff.begun.texts.dropFirst() + successor.begun.texts.dropFirst(10)
                #expect(late.sorted() == (10..<15).map(String.init))
            }
        }
    }

    @Test func everyReaderGoesOnAfterItsSessionsWereEnded() async throws {
        try await withBus([.builds, .environments]) { test, administrator in
            let group = Ledger()
            let tail = Ledger()
            let table = Table()
            _ = test.consume("g", [.builds]) { try await group.handle($0) }
            _ = test.follow(.environments, into: table)
            _ = try await test.tail([.builds], into: tail)
            try await eventually("caught up") { table.isCaughtUp }
            for number in 0..<60 {
                if number % 20 == 10 {
                    try await administrator.query(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()
                        """)
                }
                let records = [Record(.builds, "k", "\(number)"), Record(.environments, "k", "\(number)")]
                // What may not have been published is published again; consumers know the event by its id.
                try await eventually("published") { (try? await test.bus.publish(records)) != nil }
            }
            let expected = (0..<60).map(String.init)
            for ledger in [group, tail] {
                try await eventually("all of them", within: membershipMax) { ledger.finished.texts.last == "59" }
                var seen: Set<String?> = []
                #expect(ledger.firsts.filter { seen.insert($0.record.eventID).inserted }.texts == expected)
            }
            try await eventually("the latest value") { table.values == ["k": "59"] }
            #expect(table.state.marks.count == 1)
        }
    }

    // MARK: The doorbell

    /// A bus that nobody wakes but its own publisher: without `run` nothing looks at the partitions' ends.
    private func withUnwatchedBus(
        _ topic: Topic, _ body: @escaping @Sendable (TestBus, any EventBus) async throws -> Void
    ) async throws {
        try await withBus([topic]) { test, _ in
            let client = test.makeIdleClient()
            let result = await attempt {
                try await client.bus.prepare()
                try await body(test, client.bus)
            }
            await client.close()
            try result.get()
        }
    }

    /// Enough to fill a batch, so that the next one is read while this one is handled: it finds nothing.
    private static let full = (0..<BusLimits.fetchRecords).map(String.init)
    private static let readAheadMax: Duration = .seconds(1)

    @Test func aGroupHearsOfWhatCameAfterItReadAhead() async throws {
        try await withUnwatchedBus(.builds) { test, bus in
            try await bus.publish(Self.full.map { Record(.builds, "k", $0) })
            let ledger = Ledger()
            let gate = Gate()
            let reader = test.consume("g", [.builds], on: bus) { incoming in
                try await ledger.handle(incoming) { try await gate.wait() }
            }
            try await eventually("the first batch is being handled") { !ledger.begun.isEmpty }
            try await Task.sleep(for: Self.readAheadMax)
            try await bus.publish([Record(.builds, "k", "late")])
            gate.open()
            let result = await attempt {
                try await eventually("it came") { ledger.finished.texts == Self.full + ["late"] }
            }
            await reader.cancel()
            try result.get()
        }
    }

    @Test func aFollowerHearsOfWhatCameAfterItReadAhead() async throws {
        try await withUnwatchedBus(.environments) { test, bus in
            // All of one partition, whose end when the follower begins is the end of the batch.
            let keys = Self.full.map { Topic.environments.key(inPartition: 0, "key\($0)-") }
            try await bus.publish(keys.map { Record(.environments, $0, "early") })
            let (table, gate, begun) = (Table(), Gate(), Gate())
            let reader = test.start {
                try await bus.follow(.environments, partitionKey: keys[0]) { event in
                    begun.open()
                    try await gate.wait()
                    try table.apply(event)
                }
            }
            try await eventually("the first batch is being handled") { begun.isOpen }
            try await Task.sleep(for: Self.readAheadMax)
            try await bus.publish([Record(.environments, keys[0], "late")])
            gate.open()
            let result = await attempt {
                try await eventually("it came") { table.values[keys[0]] == "late" }
            }
            await reader.cancel()
            #expect(table.isCaughtUp)
            try result.get()
        }
    }

    // MARK: Commit order

    @Test func aPublisherThatIsHeldUpDelaysItsPartitionAndNothingIsSkipped() async throws {
        try await withBus([.builds]) { test, administrator in
            let held = Topic.builds.key(inPartition: 0)
            let free = Topic.builds.key(inPartition: 1)
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await test.bus.publish([Record(.builds, held, "before"), Record(.builds, free, "before")])
            try await eventually("both came") { ledger.finished.count == 2 }
            // Stands for a transaction that has taken its offsets and does not get to its commit.
            try await administrator.query("BEGIN")
            try await administrator.query(
                "SELECT 1 FROM partitions WHERE topic LIKE '%.builds' AND partition = 0 FOR UPDATE")
            let publishers = (0..<3).map { number in
                Task { try await test.withClient { try await $0.publish([Record(.builds, held, "held \(number)")]) } }
            }
            try await eventually("the publishers wait") {
                // In a transaction the view would show what it showed first.
                try await administrator.query("SELECT pg_stat_clear_snapshot()")
                return try await administrator.query(
                    """
                    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                        AND query LIKE '%publish_events%'
                    """
                ).count == 3
            }
            try await test.bus.publish([Record(.builds, free, "passes")])
            try await eventually("the other partition passes") { ledger.finished.texts.contains("passes") }
            #expect(ledger.begun.count == 3)
            try await administrator.query("COMMIT")
            for publisher in publishers { try await publisher.value }
            try await test.bus.publish([Record(.builds, held, "after")])
            try await eventually("the rest came") { ledger.finished.texts(of: held).last == "after" }
            let texts = ledger.firsts.texts(of: held)
            #expect(texts.first == "before" && Set(texts.dropFirst()) == ["held 0", "held 1", "held 2", "after"])
            let offsets = ledger.firsts.filter { $0.partition == 0 }.map(\.offset)
            #expect(offsets == [0, 1, 2, 3, 4])
        }
    }

    @Test func offsetsHaveNoGapsWhileTransactionsFail() async throws {
        try await withBus([.builds, .services]) { test, administrator in
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await test.withClient { other in
                try await other.publish([Record(.builds, "k0", "first")])
                // Topics take their offsets by name: that of `builds` is taken when `services` fails.
                try await administrator.query("DELETE FROM partitions WHERE topic LIKE '%.services'")
                try await withThrowingTaskGroup(of: Void.self) { publishers in
                    for publisher in 0..<4 {
                        publishers.addTask {
                            for call in 0..<40 {
                                try await test.bus.publish(
                                    (0..<3).map { Record(.builds, "k\(($0 + publisher) % 7)", "\(call)") })
                            }
                        }
                        publishers.addTask {
                            for _ in 0..<40 {
                                let result = await attempt {
                                    try await other.publish(
                                        (0..<4).map { Record(.builds, "k\($0)", "lost") }
                                            + [Record(.services, "k", "lost")])
                                }
                                #expect(throws: (any Error).self) { try result.get() }
                            }
                        }
                    }
                    try await publishers.waitForAll()
                }
            }
            try await eventually("all came") { ledger.firsts.count >= 4 * 40 * 3 + 1 }
            #expect(!ledger.begun.texts.contains("lost"))
            for (_, records) in Dictionary(grouping: ledger.firsts, by: \.partition) {
                let offsets = records.map(\.offset)
                #expect(offsets == Array(0..<Int64(records.count)))
            }
        }
    }

    // MARK: The doorbell

    @Test func theDoorbellOfAnotherProcessWakesAReader() async throws {
        try await withBus([.routesDesired]) { test, _ in
            try await test.withClient { other in
                let table = Table()
                _ = test.follow(.routesDesired, into: table)
                try await eventually("caught up") { table.isCaughtUp }
                let start = ContinuousClock.now
                for round in 0..<20 {
                    try await other.publish([Record(.routesDesired, "h", "\(round)")])
                    try await eventually("round \(round)") { table.values == ["h": "\(round)"] }
                }
                // Without the bell each round would take half of the interval on average.
                #expect(ContinuousClock.now - start < BusLimits.watchInterval * 4)
            }
        }
    }

    @Test func aRecordThatNobodyRangForIsFound() async throws {
        try await withBus([.builds]) { test, administrator in
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await test.bus.publish([Record(.builds, "k", "rung for")])
            try await eventually("the group reads") { ledger.finished.count == 1 }
            let topic = "\(test.maker.prefix).builds"
            let number = partition(ofKey: "k", count: Topic.builds.partitions)
            try await administrator.query(
                """
                SELECT publish_events(
                    ARRAY[\(topic)]::text[], ARRAY[\(number)]::int[], ARRAY[1], ARRAY['k'], ARRAY[''],
                    ARRAY[convert_to('silent', 'UTF8')])
                """)
            try await eventually("it is found") { ledger.finished.texts == ["rung for", "silent"] }
        }
    }

    // MARK: Upkeep

    @Test func expiredEventsAndTombstonesGoAndTheRestStays() async throws {
        try await withBus([.builds, .environments]) { test, administrator in
            let bus = try #require(test.bus as? PostgresEventBus)
            let number = partition(ofKey: "k", count: Topic.builds.partitions)
            try await test.bus.publish((0..<3).map { Record(.builds, "k", "old \($0)") })
            try await test.bus.publish([Record(.environments, "e", nil), Record(.environments, "f", "kept")])
            try await administrator.query("UPDATE events SET published_at = now() - interval '30 days'")
            try await administrator.query("UPDATE states SET published_at = now() - interval '30 days'")
            try await test.bus.publish([Record(.builds, "k", "new"), Record(.environments, "g", nil)])
            // Another process may be at it, which then leaves nothing to do.
            try await eventually("expired") {
                try await bus.applyRetention()
                let oldest = try await bus.topicPositions().first { $0.topic == "builds" && $0.partition == number }
                return oldest?.oldest == 3 && oldest?.next == 4
            }
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await eventually("what is left") { ledger.finished.texts == ["new"] }
            try await eventually("no lag is left") { try await test.lag("g") == 0 }
            let keys = try await administrator.query("SELECT key FROM states ORDER BY key").map { try $0.string("key") }
            #expect(keys == ["f", "g"])
        }
    }

    @Test func ofAStateTopicOnlyTheLatestValueOfEachKeyIsStored() async throws {
        try await withBus([.environments]) { test, administrator in
            for round in 0..<20 {
                try await test.bus.publish((0..<5).map { Record(.environments, "k\($0)", "\(round)") })
            }
            let rows = try await administrator.query("SELECT count(*) AS rows FROM states")
            let count = try rows.first?.int("rows")
            #expect(count == 5)
            let table = Table()
            _ = test.follow(.environments, into: table)
            try await eventually("caught up") { table.isCaughtUp }
            #expect(table.state.changes.count == 5 && table.state.changes.allSatisfy { $0.value == "19" })
        }
    }
}
