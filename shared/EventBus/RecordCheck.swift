// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// The topic and partition that `record` belongs to.
///
/// - Throws: `BusError` for a record that can never be published: unknown topic, too large, an event without value.
public func placement(of record: Record, among topics: [String: Topic]) throws -> (topic: Topic, partition: Int) {
    guard let topic = topics[record.topic] else { throw BusError("unknown topic \(record.topic)") }
    guard record.size <= Limits.eventBytesMax else {
        throw BusError("a record on \(record.topic) has \(record.size) bytes, at most \(Limits.eventBytesMax)")
    }
    guard record.value != nil || topic.kind == .state else {
        throw BusError("\(record.topic) is an event topic: a record on it needs a value")
    }
    return (topic, partition(ofKey: record.partitionKey ?? record.key, count: topic.partitions))
}
