// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Postgres

/// A partition of a topic.
struct Slot: Hashable, Sendable, Comparable {
    let topic: Topic
    let partition: Int

    /// What the doorbell calls it.
    var key: String { "\(topic.name)/\(partition)" }

    static func < (a: Slot, b: Slot) -> Bool { (a.topic.name, a.partition) < (b.topic.name, b.partition) }
}

/// Records that are written by one transaction, and the statements that do it: at most one for each kind of topic.
struct PublishBatch: Sendable {
    private(set) var records: [Slot: [Record]] = [:]
    private(set) var count = 0
    private(set) var bytes = 0

    /// Splits `records` into batches that keep their order and, but for a single large record, the limits.
    ///
    /// - Throws: `BusError` for a record that can never be published.
    static func batches(of records: [Record], among topics: [String: Topic]) throws -> [PublishBatch] {
        var batches: [PublishBatch] = []
        for record in records {
            let (topic, partition) = try placement(of: record, among: topics)
            let texts = [record.key] + record.headers.flatMap { [$0.key, $0.value] }
            guard !texts.contains(where: { $0.utf8.contains(0) }) else {
                throw BusError("a record on \(record.topic) has the character U+0000 in its key or a header: remove it")
            }
            if batches.last.map({ !$0.hasRoom(for: record) }) ?? true { batches.append(PublishBatch()) }
            batches[batches.count - 1].append(record, to: Slot(topic: topic, partition: partition))
        }
        return batches
    }

    private mutating func append(_ record: Record, to slot: Slot) {
        records[slot, default: []].append(record)
        count += 1
        bytes += record.size
    }

    private func hasRoom(for record: Record) -> Bool {
        count < BusLimits.publishRecords && bytes + record.size <= BusLimits.publishBytes
    }

    /// Puts the records of `other` after these.
    mutating func append(_ other: PublishBatch) {
        records.merge(other.records) { $0 + $1 }
        count += other.count
        bytes += other.bytes
    }

    /// - Parameter stored: the name that a topic has in the database.
    func statements(stored: (String) -> String) -> [SQL] {
        let slots = records.keys.sorted()
        var statements: [SQL] = []
        for kind in [Topic.Kind.event, .state] {
            let groups = slots.filter { $0.topic.kind == kind }.map { slot in
                (slot, kind == .state ? Self.latest(records[slot] ?? []) : records[slot] ?? [])
            }
            if groups.isEmpty { continue }
            let all = groups.flatMap(\.1)
            let topics = BinaryArray.texts(groups.map { stored($0.0.topic.name) })
            let partitions = BinaryArray.ints(groups.map { Int32($0.0.partition) })
            let counts = BinaryArray.ints(groups.map { Int32($0.1.count) })
            let keys = BinaryArray.texts(all.map(\.key))
            let headers = BinaryArray.texts(all.map { HeaderText.encode($0.headers) })
            let values = BinaryArray.data(all.map(\.value))
            statements.append(
                kind == .event
                    ? "SELECT publish_events(\(topics), \(partitions), \(counts), \(keys), \(headers), \(values))"
                    : "SELECT publish_states(\(topics), \(partitions), \(counts), \(keys), \(headers), \(values))")
        }
        return statements
    }

    /// Of each key its last record: a statement cannot change a row twice, and only the last one counts.
    private static func latest(_ records: [Record]) -> [Record] {
        var seen: Set<String> = []
        return records.reversed().filter { seen.insert($0.key).inserted }.reversed()
    }
}
