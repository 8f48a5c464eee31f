// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import KafkaEventBus

/// A client of librdkafka that has handed out records, as a reader's has, and wants them back: it cannot be destroyed
/// before, and crashes over one that is given back twice.
final class Lender: @unchecked Sendable {
    // Unchecked: used by one task after the other.
    private let client: OpaquePointer
    private(set) var messages: [HeldMessage] = []
    private let isGone = Mutex(false)

    /// Waits until `count` records of partition 0 of `topic` (as the cluster has it) are there.
    init(_ count: Int, of topic: String, on cluster: MockCluster) throws {
        let configuration = rd_kafka_conf_new()
        let settings = ["bootstrap.servers": cluster.server, "group.id": "lender"]
        for (name, value) in settings { rd_kafka_conf_set(configuration, name, value, nil, 0) }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else { throw MockCluster.Trouble() }
        self.client = client
        rd_kafka_poll_set_consumer(client)
        withList([(topic, 0, Int64(RD_KAFKA_OFFSET_BEGINNING))]) { _ = rd_kafka_assign(client, $0) }
        let deadline = Date().addingTimeInterval(30)
        while messages.count < count {
            guard Date() < deadline else { throw MockCluster.Trouble() }
            guard let message = rd_kafka_consumer_poll(client, 100) else { continue }
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                messages.append(HeldMessage(message))
            } else {
                rd_kafka_message_destroy(message)
            }
        }
    }

    /// Destroys the client.
    ///
    /// - Throws: `DeadlinePassed` when somebody kept a record.
    func close() async throws {
        messages = []
        // A thread that hangs does not end the test: the deadline does.
        let closing = Task {
            try await onThread("lender") {
                rd_kafka_destroy(self.client)
                self.isGone.withLock { $0 = true }
            }
        }
        try await eventually("every record was given back") { isGone.withLock { $0 } }
        try await closing.value
    }
}

/// Lends `count` records, with their numbers as values, to `body`, which has to leave all of them given back.
func lending(_ count: Int, _ body: ([HeldMessage]) async throws -> Void) async throws {
    let cluster = try MockCluster(topics: storedTopics)
    try write((0..<count).map(String.init), to: "t.builds", on: cluster)
    let lender = try Lender(count, of: "t.builds", on: cluster)
    try await body(lender.messages)
    try await lender.close()
}

extension LaneItem {
    /// The value of the record, or the mark.
    var text: String {
        switch self {
        case .record(let incoming, _): incoming.text
        case .caughtUp: "caught up"
        }
    }
}
