// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import FoundationEssentials
import Postgres

/// Records of one partition that follow one another.
struct Batch: Sendable {
    let records: [IncomingRecord]
    /// There may be more at once: a limit ended it.
    let isFull: Bool
    /// What the partition's bell had rung when the reading began: what was published since may not be here.
    let rings: UInt64
}

extension PostgresEventBus {
    /// Records of `slot` from `offset` on, in order, within the limits.
    func fetch(_ slot: Slot, from offset: Int64) async throws -> Batch {
        let rings = doorbell.count([slot.key])
        let topic = stored(slot.topic.name)
        let (records, bytes) = (BusLimits.fetchRecords, BusLimits.fetchBytes)
        let statement: SQL =
            switch slot.topic.kind {
            case .event: "SELECT * FROM read_events(\(topic), \(slot.partition), \(offset), \(records), \(bytes))"
            case .state: "SELECT * FROM read_states(\(topic), \(slot.partition), \(offset), \(records), \(bytes))"
            }
        let rows = try await pool.withConnection { connection in
            try await connection.query(statement) { row in
                let headers = try row.string(2)
                let value = try row.optionalData(3)
                guard let decoded = HeaderText.decode(headers) else {
                    throw PostgresError(.decode, "a record's headers are damaged")
                }
                let record = Record(
                    topic: slot.topic.name, key: try row.string(1), headers: decoded, value: value)
                return (
                    IncomingRecord(record: record, partition: slot.partition, offset: try row.int64(0)),
                    headers.utf8.count + (value?.count ?? 0)
                )
            }
        }
        let isFull = rows.count == records || rows.reduce(0) { $0 + $1.1 } >= bytes
        return Batch(records: rows.map(\.0), isFull: isFull, rings: rings)
    }
}

/// Reads a partition from an offset on, one batch ahead of the handler.
struct ReadAhead {
    private let bus: PostgresEventBus
    let slot: Slot
    /// Of the first record that has not been handled.
    var position: Int64
    private var ahead: (from: Int64, task: Task<Batch, any Error>)?

    init(_ bus: PostgresEventBus, _ slot: Slot, from position: Int64) {
        self.bus = bus
        self.slot = slot
        self.position = position
    }

    /// The batch from `position` on; begins to read what follows it.
    mutating func next() async throws -> Batch {
        let prepared = ahead
        ahead = nil
        let batch: Batch
        if let prepared, prepared.from == position {
            batch = try await prepared.task.value
        } else {
            prepared?.task.cancel()
            batch = try await bus.fetch(slot, from: position)
        }
        if batch.isFull, let last = batch.records.last {
            let (bus, slot, from) = (bus, slot, last.offset + 1)
            ahead = (from, Task { try await bus.fetch(slot, from: from) })
        }
        return batch
    }

    /// To be called when no more is read.
    mutating func stop() {
        ahead?.task.cancel()
        ahead = nil
    }
}
