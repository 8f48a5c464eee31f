// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import ServiceLifecycle

/// Carries records between services. Run it as a `Service`: it keeps connections, metrics and upkeep. Publishing and
/// reading wait while it does not run.
///
/// The contract, alike on every implementation:
/// - **At least once.** A record is handed out again until its handler has returned and the offset is committed; a
///   handler may therefore see a record twice and must not care.
/// - **Ordered per key.** Records that share a partition are handled one after another in the order of publishing.
/// - **Groups share work.** Each partition has at most one handler running in a group, whatever joins or leaves. A
///   member that leaves gracefully finishes the record it is on and commits, so that nothing is handled again.
/// - **State topics keep the latest value of each key.** A follower reads all current values, is told that it has
///   caught up, then sees every later change (changes in between may be skipped: only the latest value counts).
/// - **A handler that throws stops its partition, not others.** It is called again after a back-off; deciding to
///   give up on a record is the handler's business (see `Messaging.EventConsumer`).
/// - **Bounded.** A slow handler stops the reading of its partition; at most a few batches,
///   limited in records and bytes, wait in memory.
/// - **Survives loss of the bus.** `consume`, `follow` and `tail` reconnect by themselves and go on where they were.
public protocol EventBus: Service, Sendable {
    /// Creates what is missing of the topics and checks what is there. Idempotent. `run` does the same, with retries.
    ///
    /// - Throws: `BusError` naming the bus, topic or setting and the fix.
    func prepare() async throws

    /// Publishes `records`; those that share a partition in their order. Waits for room while the bus is slow.
    ///
    /// - Throws: when some of the records may not have been published; publishing them all again, in the same order,
    ///   is safe, since consumers know events by id. `BusError` at once, with nothing published, for a record that
    ///   can never be published: unknown topic, too large, an event without value.
    func publish(_ records: [Record]) async throws

    /// Handles the records of `topics` as a member of `group`, until the task is cancelled or shut down gracefully.
    ///
    /// A group that has no offsets yet begins with the oldest record kept.
    func consume(
        group: String, topics: [Topic], handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws

    /// Reads a state topic: every current value, then `.caughtUp`, then every change, until cancelled or shut down.
    ///
    /// After a loss of the bus it goes on where it was; `.caughtUp` is given once. With `partitionKey` only that
    /// key's partition is read.
    func follow(
        _ topic: Topic, partitionKey: String?, handler: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws

    /// Reads the records published from now on, outside of any group, until cancelled or shut down.
    ///
    /// - Parameter started: called once, when every later record will be seen.
    func tail(
        _ topics: [Topic], started: @escaping @Sendable () -> Void,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws

    /// How far each partition of each topic reaches.
    func topicPositions() async throws -> [TopicPosition]

    /// Where each group stands, in every partition it has committed an offset for.
    func groupPositions() async throws -> [GroupPosition]

    /// What keeps the bus from working, for readiness: `nil` when it answered lately. Answers within a second and
    /// holds no secret.
    func problem() async -> String?
}

/// The records a partition holds: those from `oldest` up to, not including, `next`.
public struct TopicPosition: Sendable, Hashable {
    public let topic: String
    public let partition: Int
    public let oldest: Int64
    public let next: Int64

    public init(topic: String, partition: Int, oldest: Int64, next: Int64) {
        self.topic = topic
        self.partition = partition
        self.oldest = oldest
        self.next = next
    }
}

/// `committed` is the offset of the first record the group has not handled.
public struct GroupPosition: Sendable, Hashable {
    public let group: String
    public let topic: String
    public let partition: Int
    public let committed: Int64
    /// Records published and not handled, at most: compaction and retention leave gaps.
    public let lag: Int64

    public init(group: String, topic: String, partition: Int, committed: Int64, lag: Int64) {
        self.group = group
        self.topic = topic
        self.partition = partition
        self.committed = committed
        self.lag = lag
    }
}

/// A record as a consumer sees it.
public struct IncomingRecord: Sendable, Hashable {
    public let record: Record
    public let partition: Int
    public let offset: Int64

    public init(record: Record, partition: Int, offset: Int64) {
        self.record = record
        self.partition = partition
        self.offset = offset
    }
}

public enum FollowEvent: Sendable, Hashable {
    case record(Record)
    case caughtUp
}

/// FNV-1a, 32 bits, of the key's UTF-8 modulo the partitions: the same on every platform and in every run.
public func partition(ofKey key: String, count: Int) -> Int {
    var hash: UInt32 = 2_166_136_261
    for byte in key.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return Int(hash % UInt32(count))
}

public struct BusError: Error, Sendable, CustomStringConvertible {
    public let message: String
    public var description: String { message }

    public init(_ message: String) { self.message = message }
}
