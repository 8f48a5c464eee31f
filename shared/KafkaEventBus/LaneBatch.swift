// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Synchronization

/// A record as librdkafka holds it, to be given back to it before its client is destroyed.
///
/// Unchecked: librdkafka lets any thread read and destroy a message, and only its one owner does.
struct HeldMessage: @unchecked Sendable {
    private let pointer: UnsafeMutablePointer<rd_kafka_message_t>

    init(_ pointer: UnsafeMutablePointer<rd_kafka_message_t>) { self.pointer = pointer }

    /// Key and value. Headers come on top, and the value is what makes records large.
    var bytes: Int { pointer.pointee.key_len + pointer.pointee.len }

    func giveBack() { rd_kafka_message_destroy(pointer) }

    /// Copies the record and gives the message back.
    func record(topic: String) -> LaneItem {
        defer { giveBack() }
        return .record(incomingRecord(pointer, topic: topic), bytes: bytes)
    }
}

/// What a lane hands to its task.
enum LaneItem: Sendable {
    case record(IncomingRecord, bytes: Int)
    /// A follower has read everything there was.
    case caughtUp

    var bytes: Int {
        switch self {
        case .record(_, let bytes): bytes
        case .caughtUp: 0
        }
    }
}

/// Records on their way from a reader's thread to the task that handles them. Each is taken once: by the task, or by
/// whoever empties the batch.
///
/// They travel as librdkafka holds them, and the task makes each into values right before it is handled. Made on the
/// thread, each would cost that thread, which serves all partitions, several times what reading it does, and be freed
/// on another: the slowest way to use an allocator.
final class LaneBatch: Sendable {
    private let topic: String
    private let messages: [HeldMessage]
    private let items: [LaneItem]
    private let next = Atomic(0)
    let count: Int
    let bytes: Int

    /// Owns `messages`, which are of one topic, from here on.
    init(_ messages: [HeldMessage], topic: String) {
        self.messages = messages
        self.topic = topic
        items = []
        count = messages.count
        bytes = messages.reduce(0) { $0 + $1.bytes }
    }

    init(_ items: [LaneItem]) {
        messages = []
        topic = ""
        self.items = items
        count = items.count
        bytes = items.reduce(0) { $0 + $1.bytes }
    }

    /// Whether it keeps librdkafka from freeing what it received with these records: all of a fetch, not only them.
    var isHeld: Bool { !messages.isEmpty }

    /// - Returns: `nil` when all were taken.
    func take() -> LaneItem? {
        let index = next.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue
        guard index < count else { return nil }
        return items.isEmpty ? messages[index].record(topic: topic) : items[index]
    }

    /// Gives back what nobody has taken.
    func discard() {
        let rest = takeRest()
        if items.isEmpty { for message in messages[rest] { message.giveBack() } }
    }

    /// What nobody has taken, independent of the client it came from.
    func copyRest() -> LaneBatch {
        let rest = takeRest()
        return LaneBatch(items.isEmpty ? messages[rest].map { $0.record(topic: topic) } : Array(items[rest]))
    }

    private func takeRest() -> Range<Int> {
        min(next.exchange(count, ordering: .sequentiallyConsistent), count)..<count
    }
}
