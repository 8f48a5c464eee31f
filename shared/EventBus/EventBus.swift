// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// Carries records between services.
///
/// The contract, alike on every implementation:
/// - **At least once.** A record is handed out again until its handler has returned and the offset is committed; a
///   handler may therefore see a record twice and must not care.
/// - **Ordered per key.** Records that share a partition are handled one after another in the order of publishing.
/// - **Groups share work.** Each partition has at most one handler running in a group, whatever joins or leaves.
/// - **State topics keep the latest value of each key.** A follower reads all current values, is told that it has
///   caught up, then sees every later change (changes in between may be skipped: only the latest value counts).
/// - **A handler that throws stops its partition, not others.** It is called again after a back-off; deciding to
///   give up on a record is the handler's business (see `Messaging.EventConsumer`).
public protocol EventBus: Sendable {
    /// Publishes all records or none.
    ///
    /// - Throws: when the records may not have been published; publishing them again is safe, since consumers know
    ///   events by id.
    func publish(_ records: [Record]) async throws

    /// Handles the records of `topics` as a member of `group`, until the task is cancelled or shut down gracefully.
    ///
    /// A group that has no offsets yet begins with the oldest record kept. Survives loss of the bus by reconnecting.
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

    /// Whether the bus answered lately: for readiness.
    func isReachable() async -> Bool
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
