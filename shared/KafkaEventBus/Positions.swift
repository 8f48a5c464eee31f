// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events

extension Cluster {
    func topicPositions() async throws -> [TopicPosition] {
        try await withAdmin { admin in
            let slots = try admin.slots(of: topics.keys.map { $0 })
            let oldest = try admin.offsets(of: slots, at: Int64(RD_KAFKA_OFFSET_BEGINNING))
            let next = try admin.offsets(of: slots, at: Int64(RD_KAFKA_OFFSET_END))
            return slots.compactMap { slot in
                guard let oldest = oldest[slot], let next = next[slot] else { return nil }
                return TopicPosition(topic: slot.topic, partition: Int(slot.partition), oldest: oldest, next: next)
            }
        }
    }

    func groupPositions() async throws -> [GroupPosition] {
        try await withAdmin { admin in
            let slots = try admin.slots(of: topics.keys.map { $0 })
            let committed = try admin.groups().map { ($0, try admin.committed($0, slots)) }
            let used = Set(committed.flatMap { $0.1.keys })
            let oldest = try admin.offsets(of: Array(used), at: Int64(RD_KAFKA_OFFSET_BEGINNING))
            let next = try admin.offsets(of: Array(used), at: Int64(RD_KAFKA_OFFSET_END))
            return committed.flatMap { group, offsets in
                offsets.sorted { $0.key < $1.key }.map { slot, offset in
                    // What retention has removed will not be handled.
                    let lag = max(0, (next[slot] ?? offset) - max(offset, oldest[slot] ?? 0))
                    return GroupPosition(
                        group: group, topic: slot.topic, partition: Int(slot.partition), committed: offset, lag: lag)
                }
            }
        }
    }

    /// The offset that the next record of each partition will have.
    func ends(of topics: [Topic]) async throws -> [Slot: Int64] {
        try await withAdmin { admin in
            try admin.offsets(of: try admin.slots(of: topics.map(\.name)), at: Int64(RD_KAFKA_OFFSET_END))
        }
    }
}

extension AdminSession {
    /// All partitions that the topics have, in order.
    fileprivate func slots(of topics: [String]) throws -> [Slot] {
        let counts = try partitionCounts(of: topics.map { cluster.stored($0) })
        return counts.flatMap { name, count in
            (0..<Int32(count)).map { Slot(topic: cluster.plain(name), partition: $0) }
        }.sorted()
    }

    /// - Parameter time: `RD_KAFKA_OFFSET_BEGINNING` or `_END`, which the protocol takes in place of a time.
    fileprivate func offsets(of slots: [Slot], at time: Int64) throws -> [Slot: Int64] {
        guard !slots.isEmpty else { return [:] }
        return try withList(slots.map { (cluster.stored($0.topic), $0.partition, time) }) { list in
            let code = rd_kafka_offsets_for_times(client, list, KafkaLimits.adminTimeout.milliseconds)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { throw unreachable(code) }
            return try slotOffsets(list, cluster)
        }
    }

    /// The groups of this cloudspace.
    fileprivate func groups() throws -> [String] {
        let groups = try request(
            "groups cannot be listed", RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS,
            { rd_kafka_ListConsumerGroups(client, $0, $1) },
            { event in
                var count = 0
                let result = rd_kafka_event_ListConsumerGroups_result(event)
                let listings = rd_kafka_ListConsumerGroups_result_valid(result, &count)
                return UnsafeBufferPointer(start: listings, count: count)
                    .compactMap { $0.map { String(cString: rd_kafka_ConsumerGroupListing_group_id($0)) } }
            })
        guard let groups else { throw SetupError("the broker does not list groups") }
        return groups.filter { $0.hasPrefix("\(cluster.prefix).") }.map { cluster.plain($0) }.sorted()
    }

    fileprivate func committed(_ group: String, _ slots: [Slot]) throws -> [Slot: Int64] {
        var requests: [OpaquePointer?] = [
            withList(slots.map { (cluster.stored($0.topic), $0.partition, 0) }) {
                rd_kafka_ListConsumerGroupOffsets_new(cluster.stored(group), $0)
            }
        ]
        defer { for case let request? in requests { rd_kafka_ListConsumerGroupOffsets_destroy(request) } }
        let offsets = try request(
            "the offsets of group \(cluster.stored(group)) cannot be read",
            RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
            { rd_kafka_ListConsumerGroupOffsets(client, &requests, requests.count, $0, $1) },
            { event in
                var count = 0
                let result = rd_kafka_event_ListConsumerGroupOffsets_result(event)
                let groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count)
                var offsets: [Slot: Int64] = [:]
                for case let group? in UnsafeBufferPointer(start: groups, count: count) {
                    if let error = rd_kafka_group_result_error(group) {
                        let failure = KafkaFailure(
                            rd_kafka_error_code(error), String(cString: rd_kafka_error_string(error)))
                        throw SetupError("the offsets of a group cannot be read: \(failure)")
                    }
                    guard let list = rd_kafka_group_result_partitions(group) else { continue }
                    offsets.merge(try slotOffsets(list, cluster)) { $1 }
                }
                return offsets
            })
        return offsets ?? [:]
    }
}

/// The offsets of `list`, without partitions that have none.
private func slotOffsets(
    _ list: UnsafePointer<rd_kafka_topic_partition_list_t>, _ cluster: Cluster
) throws -> [Slot: Int64] {
    var offsets: [Slot: Int64] = [:]
    for entry in UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt)) {
        guard entry.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw SetupError("offsets of \(String(cString: entry.topic)) cannot be read: \(KafkaFailure(entry.err))")
        }
        guard entry.offset >= 0 else { continue }
        offsets[Slot(topic: cluster.plain(String(cString: entry.topic)), partition: entry.partition)] = entry.offset
    }
    return offsets
}
