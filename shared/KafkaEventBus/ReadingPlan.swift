// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Synchronization

/// A partition of a topic, by its name without the prefix.
struct Slot: Hashable, Comparable, Sendable {
    let topic: String
    let partition: Int32

    static func < (a: Self, b: Self) -> Bool { (a.topic, a.partition) < (b.topic, b.partition) }
}

/// What a reader reads, and where to.
enum ReadingPlan: Sendable {
    /// The topics, shared with other members; a lane for each partition.
    case group(String, topics: [String], handler: LaneHandler)
    /// These partitions into one lane. `marksEnd`: tells it when all were read to their end.
    case assigned(Positions, Lane, marksEnd: Bool)
}

/// Where a reader outside of groups goes on, should its client have to be built anew.
final class Positions: Sendable {
    private struct State {
        var next: [Slot: Int64]
        var catchUp: CatchUp
    }

    private let state: Mutex<State>

    init(_ next: [Slot: Int64]) {
        state = Mutex(State(next: next, catchUp: CatchUp(partitions: next.keys.map(\.partition))))
    }

    var next: [Slot: Int64] { state.withLock { $0.next } }
    func move(_ slot: Slot, to offset: Int64) { state.withLock { $0.next[slot] = offset } }
    func reachedEnd(of slot: Slot) -> Bool { state.withLock { $0.catchUp.reachedEnd(of: slot.partition) } }
}

/// Gives `body` the partitions as a list of librdkafka, which lives as long as the call.
func withList<Result>(
    _ partitions: [(topic: String, partition: Int32, offset: Int64)],
    _ body: (UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) throws -> Result
) rethrows -> Result {
    let list = rd_kafka_topic_partition_list_new(Int32(partitions.count))
    defer { if let list { rd_kafka_topic_partition_list_destroy(list) } }
    for entry in partitions {
        rd_kafka_topic_partition_list_add(list, entry.topic, entry.partition)?.pointee.offset = entry.offset
    }
    return try body(list)
}
