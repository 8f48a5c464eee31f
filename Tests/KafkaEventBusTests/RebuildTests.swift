// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import KafkaEventBus

/// A reader whose client can do no more is built anew while records wait and one is in hand.
struct RebuildTests {
    /// Lets `allowed` calls by, the others once it is opened.
    private final class Valve: Sendable {
        private struct State {
            var values: [(key: String, value: String)] = []
            var began = 0
            var isOpen = false
        }

        private let allowed: Int
        private let state = Mutex(State())
        init(allowed: Int) { self.allowed = allowed }

        var isHolding: Bool { state.withLock { !$0.isOpen && $0.began > allowed } }
        var values: [(key: String, value: String)] { state.withLock { $0.values } }
        func open() { state.withLock { $0.isOpen = true } }

        func handle(_ incoming: IncomingRecord) async throws {
            let number = state.withLock { state in
                state.began += 1
                return state.began
            }
            try await eventually("record \(number) may pass", within: .seconds(60)) {
                state.withLock { $0.isOpen || number <= allowed }
            }
            state.withLock { $0.values.append((incoming.record.key, incoming.text)) }
        }
    }

    private func firsts(_ values: [(key: String, value: String)]) -> [String: [String]] {
        var seen: Set<String> = []
        return Dictionary(grouping: values.filter { seen.insert($0.value).inserted }, by: \.key)
            .mapValues { $0.map(\.value) }
    }

    @Test func aGroupsReaderGoesOnWithNothingLostOrOutOfOrder() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let log = LogBook()
        // Kafka fences only members with names; the client believes it without one. The session has to outlast the
        // three seconds that the mock takes to form a group.
        let further = ["session.timeout.ms": "4000", "heartbeat.interval.ms": "100"]
        try await withBus(cluster, log: log, further: further) { bus in
            let valve = Valve(allowed: 20)
            let reading = Task { try await bus.consume(group: "g", topics: [.builds]) { try await valve.handle($0) } }
            let records = (0..<3_000).map { event("k\($0 % 12)", "\($0)") }
            try await bus.publish(Array(records.prefix(2_000)))
            try await eventually("handlers have records in hand") { valve.isHolding }
            cluster.fail(.heartbeat, [RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID])
            try await eventually("the reader stops") { log.contains("partitions let go") }
            #expect(!log.contains("a reader failed for good"), "it waits for its handlers")
            valve.open()
            try await eventually("it is built anew") { log.contains("a reader failed for good, building it anew") }
            try await bus.publish(Array(records.dropFirst(2_000)))
            let expected = Dictionary(grouping: records, by: \.key).mapValues { records in
                records.map { String(decoding: $0.value ?? Data(), as: UTF8.self) }
            }
            try await eventually("all are handled", within: .seconds(40)) {
                Set(valve.values.map(\.value)).count == records.count
            }
            #expect(firsts(valve.values) == expected)
            reading.cancel()
            try await reading.value
        }
    }

    /// With the parts that `follow` is made of, since nothing a broker says is fatal to a reader outside of groups.
    @Test func aFollowersReaderGoesOnWithNothingLostRepeatedOrOutOfOrder() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let log = LogBook()
        try await withBus(cluster, log: log) { bus in
            // More than may wait, so that partitions are paused as well.
            let records = (0..<KafkaLimits.waitingRecords * 2).map { number in
                Record(
                    topic: Topic.environments.name, key: "k\(number % 12)", headers: [:],
                    value: Data("\(number)".utf8))
            }
            try await bus.publish(records)
            let valve = Valve(allowed: 20)
            let marks = Mutex<[Int]>([])
            let current = CurrentControl()
            let lane = Lane(group: nil, topic: Topic.environments.name, logger: log.logger) { current.wake() }
            let working = Task {
                await lane.work(
                    LaneHandler(
                        record: { try await valve.handle($0) },
                        caughtUp: { marks.withLock { $0.append(valve.values.count) } }))
            }
            let start = (0..<Int32(Topic.environments.partitions)).map {
                (Slot(topic: Topic.environments.name, partition: $0), Int64(RD_KAFKA_OFFSET_BEGINNING))
            }
            let positions = Positions(Dictionary(uniqueKeysWithValues: start))
            let first = Reader(.assigned(positions, lane, marksEnd: true), bus.cluster, current.renew())
            try await eventually("the handler has a record in hand, and many wait") {
                valve.isHolding && lane.waiting.records > 1_000
            }
            try first.fail()
            // Its client is gone by then, with everything that it had handed out.
            let error = await #expect(throws: BusError.self) { try await first.ended() }
            #expect(error?.message.contains("out of luck") == true && valve.isHolding)
            let control = current.renew()
            let second = Reader(.assigned(positions, lane, marksEnd: true), bus.cluster, control)
            valve.open()
            try await eventually("all are handled, and the mark") {
                valve.values.count >= records.count && !marks.withLock { $0.isEmpty }
            }
            let expected = Dictionary(grouping: records, by: \.key).mapValues { records in
                records.map { String(decoding: $0.value ?? Data(), as: UTF8.self) }
            }
            #expect(Dictionary(grouping: valve.values, by: \.key).mapValues { $0.map(\.value) } == expected)
            #expect(marks.withLock { $0 } == [records.count])
            control.stop()
            try await second.ended()
            lane.stop()
            await working.value
        }
    }

    /// A `ReaderLoop` on its thread.
    private final class Reader: Sendable {
        // Unchecked: librdkafka's clients may be used from any thread.
        private struct Client: @unchecked Sendable {
            let pointer: OpaquePointer
        }

        private final class Place: Sendable { let client = Mutex<Client?>(nil) }

        private let running: Task<Void, any Error>
        private let place = Place()

        init(_ plan: ReadingPlan, _ cluster: Cluster, _ control: ClientControl) {
            let place = place
            running = Task {
                try await onThread("reader") {
                    let context = ClientContext(logger: cluster.logger, health: cluster.health)
                    try withExtendedLifetime(context) {
                        let loop = try ReaderLoop(plan: plan, cluster: cluster, context: context, control: control)
                        let client = Client(pointer: loop.client)
                        place.client.withLock { $0 = client }
                        try loop.run()
                    }
                }
            }
        }

        func ended() async throws { try await running.value }

        /// Raises a fatal error in a client that reads.
        func fail() throws {
            let made = place.client.withLock { $0 }
            let client = try #require(made)
            rd_kafka_test_fatal_error(client.pointer, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "out of luck")
        }
    }
}
