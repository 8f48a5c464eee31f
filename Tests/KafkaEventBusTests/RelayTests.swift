// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Foundation
import Postgres
import TestSupport
import Testing

@testable import KafkaEventBus
@testable import Messaging

/// An outbox on a Kafka cluster: what its relay does when it loses the lead with records on their way.
struct RelayTests {
    private struct Note: EventPayload {
        static let type = "test.note.v1"
        static let topic = Topic.builds
        var key: String
        var text: String
    }

    /// Two processes of one service, of which one leads, with a client of the bus each.
    private struct Process {
        let bus: KafkaEventBus
        let pool: PostgresPool
        let outbox: Outbox

        init(_ name: String, _ bus: KafkaEventBus, _ url: String) {
            self.bus = bus
            pool = PostgresPool(.init(url: url, name: name))
            outbox = Outbox(
                pool: pool, bus: bus, source: "/slipway/test", pollInterval: .milliseconds(50),
                logger: LogBook().logger)
        }

        /// Records that librdkafka has and has not delivered.
        var undelivered: Int {
            bus.producer.lease.withClient { Int(rd_kafka_outq_len($0)) } ?? 0
        }
    }

    private func leaders(_ pool: PostgresPool) async throws -> [String] {
        try await pool.query(
            """
            SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND granted AND datname = current_database()
            """
        ).map { try $0.string("application_name") }
    }

    private func terminateLeader(_ pool: PostgresPool) async throws {
        try await pool.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND granted AND datname = current_database()
            """)
    }

    @Test func aRelayThatLostTheLeadWhileTheBrokerWasDownReplacesNoNewerValue() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        // It finds the broker again long after the other: what it holds by then would come last.
        let late = ["reconnect.backoff.ms": "3000", "reconnect.backoff.max.ms": "3000"]
        try await TestDatabase.with { url in
            try await withBus(cluster, further: late) { lateBus in
                try await withBus(cluster) { bus in
                    let pool = PostgresPool(.init(url: url, name: "test"))
                    try await pool.migrate([Outbox.migration])
                    func append(_ text: String, to outbox: Outbox) async throws {
                        try await pool.withTransaction {
                            try await outbox.append(Note(key: "k", text: text), in: $0)
                        }
                        outbox.wake()
                    }
                    for bus in [lateBus, bus] { try await eventually("no problem") { await bus.problem() == nil } }
                    let (first, second) = (Process("first", lateBus, url), Process("second", bus, url))
                    let firstRelay = Task { try await first.outbox.run() }
                    try await eventually("the first leads") { try await leaders(pool) == ["first-outbox"] }
                    let secondRelay = Task { try await second.outbox.run() }
                    try await append("1", to: first.outbox)
                    try await eventually("publication") { try await first.outbox.backlog().count == 0 }

                    cluster.setDown()
                    try await eventually("the problem shows") { await lateBus.problem() != nil }
                    try await append("2", to: first.outbox)
                    try await eventually("the first has handed over the value") { first.undelivered > 0 }
                    // Whoever is faster takes over; the first is cut off until it is the second.
                    try await eventually("the second leads") {
                        if try await leaders(pool) == ["second-outbox"] { return true }
                        try await terminateLeader(pool)
                        return false
                    }
                    try await append("3", to: second.outbox)
                    try await eventually("the second has handed over a value") { second.undelivered > 0 }
                    cluster.setUp()
                    try await eventually("the second publishes") { try await second.outbox.backlog().count == 0 }
                    // Comes after whatever the first still holds of this partition.
                    try await lateBus.publish([
                        Record(
                            topic: Topic.builds.name, key: "end", partitionKey: "k", headers: [:],
                            value: Data("{}".utf8))
                    ])
                    for relay in [firstRelay, secondRelay] {
                        relay.cancel()
                        _ = await relay.result
                    }
                    for pool in [pool, first.pool, second.pool] { await pool.close() }
                }
            }
        }
        let texts = try contents(of: "t.builds", on: cluster).filter { $0.key == "k" }
            .map { try JSONDecoder().decode(Note.self, from: Data($0.value.utf8)).text }
        #expect(texts.first == "1" && texts.contains("2") && texts.last == "3", "\(texts)")
    }
}
