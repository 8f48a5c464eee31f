// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Postgres
import ServiceLifecycle

/// The embedded event bus: partitioned tables in a Postgres database of its own, with `LISTEN`/`NOTIFY` as doorbell.
///
/// Run it as a `Service`: it keeps one listening connection and the retention job. Publishing works without it.
public final class PostgresEventBus: EventBus, Service {
    let pool: PostgresPool
    let topics: [String: Topic]
    let logger: Logger
    let doorbell = Doorbell()
    private let prefix: String

    /// - Parameter prefix: the cloudspace's name; topics of several cloudspaces can share a database.
    public init(pool: PostgresPool, prefix: String, topics: [Topic] = Topic.all, logger: Logger) {
        self.pool = pool
        self.prefix = prefix
        self.topics = Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) })
        self.logger = logger
    }

    /// Creates schema and partitions. Idempotent; to be called before anything else.
    public func prepare() async throws {
        try await pool.migrate(busMigrations)
        try await pool.withTransaction { connection in
            for topic in topics.values.sorted(by: { $0.name < $1.name }) {
                for partition in 0..<topic.partitions {
                    try await connection.query(
                        """
                        INSERT INTO partitions (topic, partition) VALUES (\(stored(topic.name)), \(partition))
                        ON CONFLICT DO NOTHING
                        """)
                }
            }
        }
    }

    /// The name a topic has in the tables.
    func stored(_ topic: String) -> String { "\(prefix).\(topic)" }

    public func isReachable() async -> Bool {
        (try? await pool.query("SELECT 1")) != nil
    }

    // MARK: Publishing

    public func publish(_ records: [Record]) async throws {
        guard !records.isEmpty else { return }
        struct Slot: Hashable, Comparable {
            let topic: String
            let partition: Int
            static func < (a: Slot, b: Slot) -> Bool { (a.topic, a.partition) < (b.topic, b.partition) }
        }
        var slots: [Slot: [Record]] = [:]
        for record in records {
            guard let topic = topics[record.topic] else { throw BusError("unknown topic \(record.topic)") }
            guard record.size <= Limits.eventBytesMax else {
                throw BusError("a record on \(record.topic) has \(record.size) bytes, at most \(Limits.eventBytesMax)")
            }
            guard record.value != nil || topic.kind == .state else {
                throw BusError("\(record.topic) is an event topic: a record on it needs a value")
            }
            let slot = Slot(
                topic: record.topic,
                partition: partition(ofKey: record.partitionKey ?? record.key, count: topic.partitions))
            slots[slot, default: []].append(record)
        }
        let batches = slots.sorted { $0.key < $1.key }
        try await pool.withTransaction { connection in
            // Partitions are locked in one order by every publisher, so that publishers cannot deadlock.
            for (slot, records) in batches {
                let rows = try await connection.query(
                    """
                    UPDATE partitions SET next_offset = next_offset + \(records.count)
                    WHERE topic = \(stored(slot.topic)) AND partition = \(slot.partition)
                    RETURNING next_offset
                    """)
                guard let row = rows.first else {
                    throw BusError("topic \(slot.topic) has no partition \(slot.partition)")
                }
                let first = try row.int64("next_offset") - Int64(records.count)
                for (index, record) in records.enumerated() {
                    try await self.insert(
                        record, kind: topics[slot.topic]?.kind ?? .event, partition: slot.partition,
                        offset: first + Int64(index), on: connection)
                }
            }
            for topic in Set(batches.map(\.key.topic)) {
                try await connection.query("SELECT pg_notify('slipway_bus', \(stored(topic)))")
            }
        }
    }

    private func insert(
        _ record: Record, kind: Topic.Kind, partition: Int, offset: Int64, on connection: PostgresConnection
    ) async throws {
        let headers = String(decoding: try JSONEncoder().encode(record.headers), as: UTF8.self)
        let value = record.value.map { String(decoding: $0, as: UTF8.self) }
        switch kind {
        case .event:
            try await connection.query(
                """
                INSERT INTO events (topic, partition, "offset", key, headers, value)
                VALUES (\(stored(record.topic)), \(partition), \(offset), \(record.key), \(headers), \(value))
                """)
        case .state:
            try await connection.query(
                """
                INSERT INTO states (topic, partition, "offset", key, headers, value)
                VALUES (\(stored(record.topic)), \(partition), \(offset), \(record.key), \(headers), \(value))
                ON CONFLICT (topic, key) DO UPDATE SET partition = excluded.partition, "offset" = excluded."offset",
                    headers = excluded.headers, value = excluded.value, published_at = excluded.published_at
                """)
        }
    }

    // MARK: Fetching

    /// Records of one partition from `offset` on, at most `BusLimits.fetchBatch`, in order.
    func fetch(_ topic: Topic, partition: Int, from offset: Int64) async throws -> [IncomingRecord] {
        let stored = stored(topic.name)
        let rows = try await pool.withConnection { connection in
            switch topic.kind {
            case .event:
                try await connection.query(
                    """
                    SELECT "offset", key, headers, value FROM events
                    WHERE topic = \(stored) AND partition = \(partition) AND "offset" >= \(offset)
                    ORDER BY "offset" LIMIT \(BusLimits.fetchBatch)
                    """)
            case .state:
                try await connection.query(
                    """
                    SELECT "offset", key, headers, value FROM states
                    WHERE topic = \(stored) AND partition = \(partition) AND "offset" >= \(offset)
                    ORDER BY "offset" LIMIT \(BusLimits.fetchBatch)
                    """)
            }
        }
        return try rows.map { row in
            let headers = try JSONDecoder().decode([String: String].self, from: Data(row.string("headers").utf8))
            let record = Record(
                topic: topic.name, key: try row.string("key"), headers: headers,
                value: try row.optionalString("value").map { Data($0.utf8) })
            return IncomingRecord(record: record, partition: partition, offset: try row.int64("offset"))
        }
    }

    // MARK: Life cycle

    /// Listens for the doorbell and applies retention until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.prepareUntilDone()
            await withDiscardingTaskGroup { group in
                group.addTask { await self.listen() }
                group.addTask { await self.applyRetentionForever() }
            }
        }
    }

    /// A process that must start without the bus did not prepare it before.
    private func prepareUntilDone() async {
        var backOff = BusLimits.reconnectBackOffMin
        while !Task.isCancelled {
            do {
                return try await prepare()
            } catch {
                logger.warning("the bus cannot be prepared, trying again", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
        }
    }

    /// While the listening connection is down, consumers fall back to `BusLimits.pollInterval`.
    private func listen() async {
        var backOff = BusLimits.reconnectBackOffMin
        while !Task.isCancelled {
            do {
                let connection = try await PostgresConnection.connect(
                    to: pool.configuration.url, name: pool.configuration.name + "-listen")
                let (lost, lostContinuation) = AsyncStream.makeStream(
                    of: Void.self, bufferingPolicy: .bufferingOldest(1))
                let doorbell = self.doorbell
                let prefix = self.prefix + "."
                try await listening(connection) { notification in
                    if notification.channel.isEmpty {
                        lostContinuation.finish()
                    } else if notification.payload.hasPrefix(prefix) {
                        doorbell.ring(String(notification.payload.dropFirst(prefix.count)))
                    }
                }
                backOff = BusLimits.reconnectBackOffMin
                // What was published while nobody listened is found now.
                doorbell.ringAll()
                for await _ in lost {}
                await connection.close()
                if !Task.isCancelled { logger.warning("bus doorbell lost, polling until it is back") }
            } catch {
                logger.warning("bus doorbell cannot connect", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
        }
    }

    private func listening(
        _ connection: PostgresConnection, _ receiver: @escaping @Sendable (PostgresNotification) -> Void
    ) async throws {
        do {
            try await connection.listen(["slipway_bus"], receiver)
        } catch {
            await connection.close()
            throw error
        }
    }

    private func applyRetentionForever() async {
        while !Task.isCancelled {
            for topic in topics.values {
                do {
                    try await applyRetention(topic, now: .now())
                } catch {
                    logger.warning("bus retention failed", metadata: ["topic": "\(topic.name)", "error": "\(error)"])
                }
            }
            try? await Task.sleep(for: BusLimits.retentionInterval)
        }
    }

    /// Removes expired events, and tombstones that every reader has had time to see.
    func applyRetention(_ topic: Topic, now: Timestamp) async throws {
        let oldest = now.advanced(by: .zero - topic.retention)
        let name = stored(topic.name)
        switch topic.kind {
        case .event:
            while try await !pool.query(
                """
                WITH expired AS (
                    SELECT partition, "offset" FROM events WHERE topic = \(name) AND published_at < \(oldest)
                    LIMIT \(BusLimits.retentionBatch))
                DELETE FROM events USING expired
                WHERE events.topic = \(name) AND events.partition = expired.partition
                    AND events."offset" = expired."offset"
                RETURNING 1
                """
            ).isEmpty {}
        case .state:
            try await pool.query(
                "DELETE FROM states WHERE topic = \(name) AND value IS NULL AND published_at < \(oldest)")
        }
    }
}
