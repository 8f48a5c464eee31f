// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres

extension PostgresEventBus {
    func applyRetentionForever() async {
        while !Task.isCancelled {
            do {
                try await applyRetention()
            } catch {
                if Task.isCancelled { return }
                metrics.failed("retention")
                logger.warning("bus retention failed", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: BusLimits.retentionInterval)
        }
    }

    /// Removes expired events, and tombstones that every reader has had time to see. The database's clock counts.
    ///
    /// One process at a time does it; the others leave it at that.
    func applyRetention() async throws {
        for topic in topics.values.sorted(by: { $0.name < $1.name }) {
            for partition in 0..<topic.partitions {
                while try await expire(Slot(topic: topic, partition: partition)), !Task.isCancelled {}
            }
        }
    }

    /// - Returns: whether there may be more to remove.
    private func expire(_ slot: Slot) async throws -> Bool {
        let name = stored(slot.topic.name)
        let keep = "\(slot.topic.retention.components.seconds) seconds"
        return try await pool.withTransaction { connection in
            // Expired records that come back with a crash of the server are removed again.
            try await connection.query("SET LOCAL synchronous_commit = off")
            let locked = try await connection.query(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('slipway bus retention', 0)) AS locked")
            guard try locked.first?.bool("locked") == true else { return false }
            switch slot.topic.kind {
            case .event:
                let rows = try await connection.query(
                    """
                    SELECT expire_events(\(name), \(slot.partition), \(keep)::interval, \(BusLimits.retentionBatch))
                        AS removed
                    """)
                return try rows.first?.int("removed") ?? 0 >= BusLimits.retentionBatch
            case .state:
                try await connection.query(
                    """
                    DELETE FROM states USING partitions
                    WHERE topic = \(name) AND partition = \(slot.partition) AND partition_id = id AND value IS NULL
                        AND published_at < clock_timestamp() - \(keep)::interval
                    """)
                return false
            }
        }
    }
}
