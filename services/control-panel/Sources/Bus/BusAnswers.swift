// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials

/// A topic of the catalogue and what the bus holds of it.
struct TopicAnswer: Encodable, Sendable {
    struct Partition: Encodable, Sendable {
        var partition: Int
        var oldest: Int64
        var next: Int64
    }

    var name: String
    var kind: String
    var retentionSeconds: Int
    /// As the catalogue has it.
    var partitionCount: Int
    /// As the bus has them: none where the topic is missing.
    var partitions: [Partition]

    init(_ topic: Topic, positions: [TopicPosition]) {
        name = topic.name
        kind = topic.kind.rawValue
        retentionSeconds = Int(topic.retention.components.seconds)
        partitionCount = topic.partitions
        partitions = positions.filter { $0.topic == topic.name }.sorted { $0.partition < $1.partition }
            .map { Partition(partition: $0.partition, oldest: $0.oldest, next: $0.next) }
    }
}

/// Where a consumer group stands in a partition.
struct LagAnswer: Encodable, Sendable {
    var group: String
    var topic: String
    var partition: Int
    var committed: Int64
    var lag: Int64

    init(_ position: GroupPosition) {
        group = position.group
        topic = position.topic
        partition = position.partition
        committed = position.committed
        lag = position.lag
    }
}

/// A record as the tail shows it, shortened. It travelled on the bus, so nothing secret in it is readable: sealed
/// values stay sealed.
struct TailLine: Encodable, Sendable {
    var topic: String
    var partition: Int
    var offset: Int64
    var key: String
    @Nullable var type: String?
    var headers: [String: String]
    /// `null` for a tombstone.
    @Nullable var value: String?
    var valueBytes: Int
    /// Something of the record is left out.
    var isShortened: Bool

    init(_ incoming: IncomingRecord) {
        let record = incoming.record
        var room = PanelLimits.tailHeadersBytesMax
        var isShortened = false
        func short(_ text: String) -> String {
            let kept = text.utf8.prefix(max(0, room))
            room -= kept.count
            guard kept.count < text.utf8.count else { return text }
            isShortened = true
            return String(decoding: kept, as: UTF8.self) + "…"
        }
        topic = record.topic
        partition = incoming.partition
        offset = incoming.offset
        key = short(record.key)
        _type = Nullable(wrappedValue: record.type.map(short))
        var headers: [String: String] = [:]
        for (name, value) in record.headers.sorted(by: { $0.key < $1.key }) {
            guard room > 0 else {
                isShortened = true
                break
            }
            headers[short(name)] = short(value)
        }
        self.headers = headers
        let kept = record.value?.prefix(PanelLimits.tailValueBytesMax)
        _value = Nullable(wrappedValue: kept.map { String(decoding: $0, as: UTF8.self) })
        valueBytes = record.value?.count ?? 0
        self.isShortened = isShortened || (kept?.count ?? 0) < valueBytes
    }
}
