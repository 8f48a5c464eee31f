// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Foundation
import KafkaEventBus
import Synchronization
import TestSupport
import Testing

/// Members of a group come, leave and die while records are published, on librdkafka's mock cluster, whose coordinator
/// waits for members in rebalances.
///
/// The mock of librdkafka 2.0.2 has join, sync, heartbeat, leave, session time-outs, and offsets with their generation.
/// It differs from Kafka in this: a member that joins or leaves has the group wait for the session time-out less a
/// second, even where all have joined before; what is committed during that wait is refused, so that records handled
/// just before may be handled again, which at-least-once allows; and it lists no groups, so that committed offsets are
/// asked for by a client of the test's own.
@Suite(.timeLimit(.minutes(2)))
struct MembershipTests {
    private struct Trouble: Error {}

    /// The session has to outlast the three seconds that the mock takes to form a group.
    private static let settings = [
        "session.timeout.ms": "4000", "heartbeat.interval.ms": "200", "group.id": "t.g",
    ]
    private static let keys = 24
    private static let perWave = 48

    /// What handlers saw and where, over all members.
    private final class Ledger: Sendable {
        private struct Place: Hashable {
            let partition: Int
            let offset: Int64
        }

        private struct State {
            var firsts: [IncomingRecord] = []
            var seen: Set<Place> = []
            var active: [Int: String] = [:]
            var overlaps: [String] = []
            var byMember: [String: Int] = [:]
        }

        private let state = Mutex(State())
        /// Every record that was handled, once each, in the order of the first time.
        var firsts: [IncomingRecord] { state.withLock { $0.firsts } }
        /// Members that handled one partition at a time.
        var overlaps: [String] { state.withLock { $0.overlaps } }
        func count(_ member: String) -> Int { state.withLock { $0.byMember[member] ?? 0 } }

        func handle(_ incoming: IncomingRecord, by member: String, _ work: () async throws -> Void) async throws {
            let other = state.withLock { state in state.active.updateValue(member, forKey: incoming.partition) }
            if let other {
                state.withLock { $0.overlaps.append("\(member) and \(other) in \(incoming.partition)") }
            }
            defer { state.withLock { $0.active[incoming.partition] = nil } }
            try await work()
            state.withLock { state in
                state.byMember[member, default: 0] += 1
                let place = Place(partition: incoming.partition, offset: incoming.offset)
                if state.seen.insert(place).inserted { state.firsts.append(incoming) }
            }
        }
    }

    private struct Member {
        let name: String
        let task: Task<Void, any Error>

        func leave() async throws {
            task.cancel()
            try await task.value
        }
    }

    /// Some of its handlers fail at the first attempt, some take a while.
    private func member(_ name: String, _ bus: KafkaEventBus, _ ledger: Ledger) -> Member {
        let failed = Mutex<Set<String>>([])
        let task = Task {
            try await bus.consume(group: "g", topics: [.builds]) { incoming in
                try await ledger.handle(incoming, by: name) {
                    let mood = incoming.offset % 16
                    if mood == 3, failed.withLock({ $0.insert(incoming.text).inserted }) { throw Trouble() }
                    if mood < 6 { try await Task.sleep(for: .milliseconds(mood)) }
                }
            }
        }
        return Member(name: name, task: task)
    }

    /// A number of records in calls of ten, over all keys.
    private func publish(wave: Int, on bus: KafkaEventBus) async throws -> [Record] {
        let records = (0..<Self.perWave).map { event("k\($0 % Self.keys)", "\(wave)/\($0)") }
        for start in stride(from: 0, to: records.count, by: 10) {
            try await bus.publish(Array(records[start..<min(start + 10, records.count)]))
        }
        return records
    }

    /// Holds what was handled against what was published, then what was committed against the ends of the log.
    private func expectAll(_ published: [Record], _ ledger: Ledger, _ cluster: MockCluster) async throws {
        try await eventually("all are handled", within: .seconds(40)) { ledger.firsts.count >= published.count }
        let handled = ledger.firsts
        func byKey(_ records: [Record]) -> [String: [String]] {
            Dictionary(grouping: records, by: \.key)
                .mapValues { $0.map { String(decoding: $0.value ?? Data(), as: UTF8.self) } }
        }
        #expect(byKey(handled.map(\.record)) == byKey(published))
        for (_, records) in Dictionary(grouping: handled, by: \.partition) {
            #expect(records.map(\.offset) == Array(0..<Int64(records.count)))
        }
        #expect(ledger.overlaps.isEmpty)
        let ends = Dictionary(grouping: handled, by: \.partition).mapValues { Int64($0.count) }
        try await eventually("all are committed") {
            try committed("t.g", topic: "t.builds", partitions: Topic.builds.partitions, on: cluster) == ends
        }
    }

    @Test func twoAndThreeMembersComeAndLeaveAndNothingIsLostOrOutOfOrder() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster, further: Self.settings) { bus in
            try await withBus(cluster, further: Self.settings) { other in
                let ledger = Ledger()
                var published: [Record] = []
                func wave(_ number: Int, until members: [Member]) async throws {
                    let before = members.map { ledger.count($0.name) }
                    // As many waves as it takes for each of them to have had some.
                    var round = 0
                    repeat {
                        published += try await publish(wave: number * 1_000 + round, on: round % 2 == 0 ? bus : other)
                        round += 1
                        // The pace of the scenario; it ends in the same state at any.
                        try await Task.sleep(for: .milliseconds(100))
                    } while zip(members, before).contains(where: { ledger.count($0.name) == $1 }) && round < 400
                    for (member, before) in zip(members, before) {
                        #expect(ledger.count(member.name) > before, "\(member.name) has no partition, wave \(number)")
                    }
                }
                let first = member("first", bus, ledger)
                let second = member("second", other, ledger)
                try await wave(1, until: [first, second])
                let third = member("third", other, ledger)
                try await wave(2, until: [first, second, third])
                try await first.leave()
                try await wave(3, until: [second, third])
                let fourth = member("fourth", bus, ledger)
                try await second.leave()
                try await wave(4, until: [third, fourth])
                try await third.leave()
                try await expectAll(published, ledger, cluster)
                try await fourth.leave()
            }
        }
    }

    @Test func whatAMemberThatDiedHadIsHandledAfterItsSessionTimeOut() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        try await withBus(cluster, further: Self.settings) { bus in
            let ledger = Ledger()
            let survivor = member("survivor", bus, ledger)
            let mortal = try Mortal(Self.settings, topic: "t.builds", on: cluster)
            var published: [Record] = []
            // It takes records and tells the group of none.
            var round = 0
            while mortal.takenCount() < 10 || ledger.count("survivor") == 0 {
                published += try await publish(wave: round, on: bus)
                round += 1
                if round > 400 { throw MockCluster.Trouble() }
            }
            mortal.die()
            published += try await publish(wave: 1_000, on: bus)
            let replacement = member("replacement", bus, ledger)
            try await expectAll(published, ledger, cluster)
            for member in [survivor, replacement] { try await member.leave() }
        }
    }

    /// A client of the group that ends as a process that was killed does: it does not leave, and commits nothing.
    private final class Mortal: @unchecked Sendable {
        // Unchecked: only `poll` and `die` touch the client, one after the other.
        private let client: OpaquePointer
        private var taken = 0

        init(_ settings: [String: String], topic: String, on cluster: MockCluster) throws {
            let configuration = rd_kafka_conf_new()
            let own = [
                "bootstrap.servers": cluster.server, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "roundrobin,range",
            ]
            for (name, value) in settings.merging(own, uniquingKeysWith: { $1 }) {
                rd_kafka_conf_set(configuration, name, value, nil, 0)
            }
            guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else {
                throw MockCluster.Trouble()
            }
            self.client = client
            rd_kafka_poll_set_consumer(client)
            let list = rd_kafka_topic_partition_list_new(1)
            defer { rd_kafka_topic_partition_list_destroy(list) }
            rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA)
            rd_kafka_subscribe(client, list)
        }

        /// How many records it has taken so far; takes what comes within a moment.
        func takenCount() -> Int {
            while let message = rd_kafka_consumer_poll(client, 20) {
                if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR { taken += 1 }
                rd_kafka_message_destroy(message)
            }
            return taken
        }

        func die() { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) }
    }
}

/// The offsets that `group` has committed, by partition; those without are left out.
private func committed(
    _ group: String, topic: String, partitions: Int, on cluster: MockCluster
) throws -> [Int: Int64] {
    let configuration = rd_kafka_conf_new()
    for (name, value) in ["bootstrap.servers": cluster.server, "group.id": group] {
        rd_kafka_conf_set(configuration, name, value, nil, 0)
    }
    guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else { throw MockCluster.Trouble() }
    defer { rd_kafka_destroy(client) }
    let list = rd_kafka_topic_partition_list_new(Int32(partitions))
    defer { rd_kafka_topic_partition_list_destroy(list) }
    for partition in 0..<Int32(partitions) { rd_kafka_topic_partition_list_add(list, topic, partition) }
    guard rd_kafka_committed(client, list, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [:] }
    let entries = UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt))
    return Dictionary(
        uniqueKeysWithValues: entries.filter { $0.offset >= 0 }.map { (Int($0.partition), $0.offset) })
}
