// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Foundation
import KafkaEventBus
import Synchronization
import TestSupport
import Testing

/// How the bus bears what brokers do, on librdkafka's mock cluster.
struct FaultTests {
    /// Values of each key in the order of the log, each once.
    private func valuesByKey(_ records: [StoredRecord]) -> [String: [String]] {
        Dictionary(grouping: records, by: \.key).mapValues { records in
            var seen: Set<String> = []
            return records.sorted { $0.offset < $1.offset }.map(\.value).filter { seen.insert($0).inserted }
        }
    }

    @Test func publishingWaitsForABrokerThatIsDownAndGoesOn() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            try await bus.publish([event("k", "1")])
            try await eventually("no problem") { await bus.problem() == nil }
            cluster.setDown()
            let waiting = Task { try await bus.publish([event("k", "2"), event("k", "3")]) }
            try await eventually("the problem shows") { await bus.problem()?.contains(cluster.server) == true }
            cluster.setUp()
            try await waiting.value
            try await eventually("no problem any more") { await bus.problem() == nil }
            try await bus.publish([event("k", "4")])
        }
        let stored = try contents(of: "t.builds", on: cluster)
        #expect(stored.map(\.value) == ["1", "2", "3", "4"])
    }

    @Test func aFollowerGoesOnWhereItWasAfterTheBrokerWasDown() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            func state(_ value: String) -> Record {
                Record(topic: "environments", key: "k", headers: [:], value: Data(value.utf8))
            }
            let seen = Mutex<[String]>([])
            let following = Task {
                try await bus.follow(.environments, partitionKey: "k") { event in
                    let text =
                        switch event {
                        case .record(let record): record.value.map { String(decoding: $0, as: UTF8.self) } ?? "gone"
                        case .caughtUp: "caught up"
                        }
                    seen.withLock { $0.append(text) }
                }
            }
            try await bus.publish([state("1")])
            try await eventually("the first value and the mark") { seen.withLock { $0.count } == 2 }
            cluster.setDown()
            try await eventually("the problem shows") { await bus.problem() != nil }
            cluster.setUp()
            try await bus.publish([state("2")])
            try await eventually("the second value") { seen.withLock { $0.last == "2" } }
            let after = seen.withLock { $0 }
            #expect(after.filter { $0 != "caught up" } == ["1", "2"] && after.count == 3, "\(after)")
            following.cancel()
            try await following.value
        }
    }

    @Test func aSlowBrokerDelaysAndReordersNothing() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        cluster.setDelay(milliseconds: 200)
        try await withBus(cluster) { bus in
            for call in 0..<3 {
                try await bus.publish((0..<50).map { event("k\($0 % 5)", "\(call * 50 + $0)") })
            }
        }
        cluster.setDelay(milliseconds: 0)
        let stored = valuesByKey(try contents(of: "t.builds", on: cluster))
        for key in 0..<5 {
            #expect(stored["k\(key)"] == stride(from: key, to: 150, by: 5).map(String.init))
        }
    }

    @Test func passingErrorsOfTheBrokerAreNotSeenByPublishers() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            try await bus.publish([event("k", "first")])
            cluster.fail(
                .produce,
                [
                    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
                    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                ])
            for number in 0..<20 { try await bus.publish([event("k", "\(number)")]) }
        }
        let stored = valuesByKey(try contents(of: "t.builds", on: cluster))
        #expect(stored["k"] == ["first"] + (0..<20).map(String.init))
    }

    @Test func anErrorThatWillNotPassIsNamedAndTheNextRecordIsPublished() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            try await bus.publish([event("k", "1")])
            cluster.fail(.produce, [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
            let error = await #expect(throws: BusError.self) { try await bus.publish([event("k", "2")]) }
            let text = error?.message ?? ""
            #expect(text.contains("t.builds") && text.contains("WRITE"), "\(text)")
            // Librdkafka keeps to the broker's word until it asks again about the topic.
            try await eventually("publishing again succeeds") {
                (try? await bus.publish([event("k", "3")])) != nil
            }
        }
        let stored = valuesByKey(try contents(of: "t.builds", on: cluster))
        #expect(stored["k"] == ["1", "3"])
    }

    @Test func afterAFatalErrorTheProducerIsBuiltAnewAndWhatIsPublishedAgainArrives() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let log = LogBook()
        try await withBus(cluster, log: log) { bus in
            try await bus.publish([event("k", "first")])
            cluster.fail(.produce, [RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER])
            var failures = 0
            for number in 0..<20 {
                while true {
                    do {
                        try await bus.publish([event("k", "\(number)")])
                        break
                    } catch let error as BusError {
                        #expect(error.message.contains("publish again"), "\(error)")
                        failures += 1
                    }
                }
            }
            #expect(failures >= 1)
            #expect(log.contains("building it anew"))
            try await eventually("no problem") { await bus.problem() == nil }
        }
        let stored = valuesByKey(try contents(of: "t.builds", on: cluster))
        #expect(stored["k"] == ["first"] + (0..<20).map(String.init))
    }

    @Test func aHandlerInTheMiddleOfARebalanceKeepsItsPartitionUntilItReturns() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let log = LogBook()
        try await withBus(cluster, log: log) { bus in
            let gate = Mutex(false)
            let journal = Journal()
            let isHeld = Mutex(false)
            let one = Task {
                try await bus.consume(group: "g", topics: [.builds]) { incoming in
                    try await journal.handle(incoming) {
                        guard incoming.record.key == "held" else { return }
                        isHeld.withLock { $0 = true }
                        try await eventually("the gate opens", within: .seconds(60)) { gate.withLock { $0 } }
                    }
                }
            }
            try await bus.publish([event("held", "held")] + (0..<40).map { event("k\($0)", "\($0)") })
            try await eventually("the handler holds its record", within: .seconds(30)) { isHeld.withLock { $0 } }
            let second = Journal()
            let two = Task {
                try await bus.consume(group: "g", topics: [.builds]) { incoming in
                    try await journal.handle(incoming) { try await second.handle(incoming) }
                }
            }
            try await eventually("the rebalance waits for the handler", within: .seconds(30)) {
                log.contains("partitions let go")
            }
            #expect(second.values.isEmpty && journal.isActive)
            gate.withLock { $0 = true }
            for round in 0..<5 {
                try await bus.publish((0..<40).map { event("k\($0)", "\(round)/\($0)") })
            }
            let expected = Set(
                ["held"] + (0..<40).map(String.init) + (0..<5).flatMap { round in (0..<40).map { "\(round)/\($0)" } })
            try await eventually("everything is handled", within: .seconds(60)) {
                Set(journal.values) == expected && !second.values.isEmpty
            }
            #expect(!journal.hasOverlap)
            for task in [one, two] {
                task.cancel()
                try await task.value
            }
        }
    }

    @Test func aShutdownWithTenThousandRecordsQueuedEndsEveryCallAndTellsTheTruth() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let outcomes = Outcomes()
        let calls = try await withBus(cluster) { bus in
            try await bus.publish([event("warm", "warm")])
            cluster.setDelay(milliseconds: 400)
            let calls = (0..<100).map { call in
                Task {
                    let records = (0..<100).map { event("k\($0)", "\(call)/\($0)") }
                    let result = await Result { try await bus.publish(records) }
                    if case .failure(let error) = result { #expect(error is BusError) }
                    outcomes.note(call, (try? result.get()) != nil)
                }
            }
            try await eventually("some are delivered") { outcomes.all.values.contains(true) }
            cluster.setDelay(milliseconds: 20_000)
            return calls
        }
        for call in calls { await call.value }
        cluster.setDelay(milliseconds: 0)
        #expect(outcomes.all.count == 100)
        let stored = Set(try contents(of: "t.builds", on: cluster).map(\.value))
        for (call, isDelivered) in outcomes.all where isDelivered {
            for number in 0..<100 { #expect(stored.contains("\(call)/\(number)")) }
        }
    }

    @Test func cancellingAPublisherEndsItsWaitAtOnce() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            try await bus.publish([event("k", "1")])
            cluster.setDown()
            let waiting = Task { try await bus.publish([event("k", "2")]) }
            try await eventually("the problem shows") { await bus.problem() != nil }
            let start = ContinuousClock.now
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(ContinuousClock.now - start < .seconds(2))
            cluster.setUp()
        }
    }

    @Test func recordsOfOthersAreHandedOutAsFarAsTheyAreText() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster) { bus in
            let seen = Mutex<[IncomingRecord]>([])
            let started = Mutex(false)
            let tailing = Task {
                try await bus.tail([.builds], started: { started.withLock { $0 = true } }) { incoming in
                    seen.withLock { $0.append(incoming) }
                }
            }
            try await eventually("the tail has started") { started.withLock { $0 } }
            try writeForeignRecord(to: "t.builds", on: cluster)
            try await bus.publish([event("k", "ours")])
            try await eventually("both came") { seen.withLock { $0.count } == 2 }
            let foreign = try #require(seen.withLock { $0 }.first { $0.record.key.isEmpty })
            #expect(foreign.record.headers == ["raw": "\u{fffd}\u{fffd}A", "none": ""])
            #expect(foreign.record.value == Data([0xff, 0xfe, 0x41]))
            tailing.cancel()
            try await tailing.value
        }
    }
}

/// Whether each call of `publish` succeeded.
private final class Outcomes: Sendable {
    private let outcomes = Mutex<[Int: Bool]>([:])
    var all: [Int: Bool] { outcomes.withLock { $0 } }
    func note(_ call: Int, _ isDelivered: Bool) { outcomes.withLock { $0[call] = isDelivered } }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
