// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Logging
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import PostgresEventBus

/// Collects what a handler was given.
final class Ledger: Sendable {
    private let state = Mutex<[IncomingRecord]>([])
    func add(_ record: IncomingRecord) { state.withLock { $0.append(record) } }
    var all: [IncomingRecord] { state.withLock { $0 } }
    var values: [String] { all.map { String(decoding: $0.record.value ?? Data(), as: UTF8.self) } }
}

struct PostgresEventBusTests {
    private func withBus(_ body: @Sendable (PostgresEventBus, PostgresPool) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            let pool = PostgresPool(.init(url: url, name: "bus-test", connectionsMax: 12))
            let bus = PostgresEventBus(pool: pool, prefix: "test", logger: Logger(label: "test"))
            try await bus.prepare()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bus.run() }
                try await body(bus, pool)
                group.cancelAll()
            }
            await pool.close()
        }
    }

    private func record(_ topic: Topic, _ key: String, _ value: String?) -> Record {
        Record(
            topic: topic.name, key: key, headers: ["ce_id": UUID().uuidString, "ce_type": "t"],
            value: value.map { Data($0.utf8) })
    }

    /// Runs `body` beside a consumer and ends the consumer with it.
    private func consuming(
        _ bus: PostgresEventBus, group: String, topics: [Topic],
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void, _ body: () async throws -> Void
    ) async throws {
        let consumer = Task { try await bus.consume(group: group, topics: topics, handler: handler) }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        consumer.cancel()
        _ = try? await consumer.value
        try result.get()
    }

    @Test func recordsOfAKeyArriveInOrderFromConcurrentPublishers() async throws {
        try await withBus { bus, _ in
            let ledger = Ledger()
            try await consuming(bus, group: "g", topics: [.builds], handler: { ledger.add($0) }) {
                try await withThrowingTaskGroup(of: Void.self) { publishers in
                    for publisher in 0..<8 {
                        publishers.addTask {
                            for number in 0..<25 {
                                try await bus.publish([self.record(.builds, "k\(publisher)", "\(number)")])
                            }
                        }
                    }
                    try await publishers.waitForAll()
                }
                try await eventually("all arrived") { ledger.all.count >= 200 }
            }
            #expect(ledger.all.count == 200)
            for publisher in 0..<8 {
                let numbers = ledger.all.filter { $0.record.key == "k\(publisher)" }
                    .map { String(decoding: $0.record.value ?? Data(), as: UTF8.self) }
                #expect(numbers == (0..<25).map(String.init))
            }
        }
    }

    @Test func aNewGroupBeginsWithTheOldestAndAnOldOneGoesOnWhereItWas() async throws {
        try await withBus { bus, _ in
            try await bus.publish((0..<3).map { record(.builds, "k", "\($0)") })
            let first = Ledger()
            try await consuming(bus, group: "g", topics: [.builds], handler: { first.add($0) }) {
                try await eventually("first three") { first.all.count == 3 }
            }
            try await bus.publish([record(.builds, "k", "3")])
            let second = Ledger()
            try await consuming(bus, group: "g", topics: [.builds], handler: { second.add($0) }) {
                try await eventually("the fourth") { second.values.contains("3") }
            }
            #expect(first.values == ["0", "1", "2"])
            // At least once: what was handled but not committed may come again, nothing may be missing.
            #expect(second.values.suffix(1) == ["3"])
        }
    }

    @Test func aFailingHandlerSeesTheSameRecordAgainAndTheNextOnlyAfterIt() async throws {
        struct Trouble: Error {}
        try await withBus { bus, _ in
            try await bus.publish([record(.builds, "k", "a"), record(.builds, "k", "b")])
            let ledger = Ledger()
            let attempts = Mutex(0)
            try await consuming(
                bus, group: "g", topics: [.builds],
                handler: { incoming in
                    ledger.add(incoming)
                    if attempts.withLock({
                        $0 += 1
                        return $0
                    }) <= 2 {
                        throw Trouble()
                    }
                }
            ) {
                try await eventually("b arrived") { ledger.values.contains("b") }
            }
            #expect(ledger.values == ["a", "a", "a", "b"])
        }
    }

    @Test func membersOfAGroupShareThePartitionsAndTakeOverFromEachOther() async throws {
        try await withBus { bus, _ in
            let one = Ledger()
            let two = Ledger()
            try await consuming(bus, group: "g", topics: [.builds], handler: { one.add($0) }) {
                try await consuming(bus, group: "g", topics: [.builds], handler: { two.add($0) }) {
                    var number = 0
                    try await eventually("both have work") {
                        number += 1
                        try await bus.publish([record(.builds, "key\(number)", "\(number)")])
                        return !one.all.isEmpty && !two.all.isEmpty
                    }
                    try await eventually("everything is handled") { one.all.count + two.all.count >= number }
                }
                let before = one.all.count
                try await bus.publish((0..<40).map { record(.builds, "late\($0)", "late") })
                try await eventually("the survivor has it all") { one.all.count >= before + 40 }
            }
            let handled = (one.all + two.all).map { "\($0.partition)/\($0.offset)" }
            #expect(Set(handled).count == handled.count)
        }
    }

    @Test func aFollowerSeesCurrentValuesThenTheMarkThenChanges() async throws {
        try await withBus { bus, _ in
            for value in ["1", "2", "3"] { try await bus.publish([record(.instancesObserved, "a", value)]) }
            try await bus.publish([record(.instancesObserved, "b", "1"), record(.instancesObserved, "b", nil)])
            let seen = Mutex<[String]>([])
            let follower = Task {
                try await bus.follow(.instancesObserved, partitionKey: nil) { event in
                    let text =
                        switch event {
                        case .caughtUp: "caught up"
                        case .record(let record):
                            "\(record.key)=\(record.value.map { String(decoding: $0, as: UTF8.self) } ?? "gone")"
                        }
                    seen.withLock { $0.append(text) }
                }
            }
            try await eventually("caught up") { seen.withLock { $0.contains("caught up") } }
            #expect(Set(seen.withLock { $0.dropLast() }) == ["a=3", "b=gone"])
            try await bus.publish([record(.instancesObserved, "a", "4")])
            try await eventually("the change") { seen.withLock { $0.last == "a=4" } }
            follower.cancel()
            _ = try? await follower.value
        }
    }

    @Test func theDoorbellWakesAFollowerWellBeforeThePoll() async throws {
        try await withBus { bus, _ in
            let latest = Mutex("")
            let follower = Task {
                try await bus.follow(.routesDesired, partitionKey: nil) { event in
                    if case .record(let record) = event {
                        latest.withLock { $0 = String(decoding: record.value ?? Data(), as: UTF8.self) }
                    }
                }
            }
            // Many rounds: each would take the poll interval without a doorbell.
            for round in 0..<50 {
                try await bus.publish([record(.routesDesired, "h", "\(round)")])
                try await eventually("round \(round)", within: .seconds(10)) { latest.withLock { $0 } == "\(round)" }
            }
            follower.cancel()
            _ = try? await follower.value
        }
    }

    @Test func expiredEventsAndTombstonesGoAndTheRestStays() async throws {
        try await withBus { bus, pool in
            try await bus.publish([record(.builds, "k", "old")])
            try await bus.publish([record(.environments, "e", nil), record(.environments, "f", "kept")])
            try await pool.query("UPDATE events SET published_at = now() - interval '30 days'")
            try await pool.query("UPDATE states SET published_at = now() - interval '30 days'")
            try await bus.publish([record(.builds, "k", "new")])
            try await bus.applyRetention(.builds, now: .now())
            try await bus.applyRetention(.environments, now: .now())
            let values = try await pool.query("SELECT value FROM events").map { try $0.string("value") }
            #expect(values == ["new"])
            let keys = try await pool.query("SELECT key FROM states").map { try $0.string("key") }
            #expect(keys == ["f"])
        }
    }

    @Test func unknownTopicsOversizeAndTombstoneEventsAreRefused() async throws {
        try await withBus { bus, pool in
            var unknown = record(.builds, "k", "v")
            unknown.topic = "nonsense"
            await #expect(throws: BusError.self) { try await bus.publish([unknown]) }
            await #expect(throws: BusError.self) { try await bus.publish([self.record(.builds, "k", nil)]) }
            let huge = String(repeating: "x", count: Limits.eventBytesMax + 1)
            await #expect(throws: BusError.self) {
                try await bus.publish([self.record(.builds, "k", "fine"), self.record(.builds, "k", huge)])
            }
            let stored = try await pool.query("SELECT 1 FROM events")
            #expect(stored.isEmpty)
        }
    }
}
