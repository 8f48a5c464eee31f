// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// The embedded event bus: partitioned tables in a Postgres database of its own, with `LISTEN`/`NOTIFY` as doorbell.
public final class PostgresEventBus: EventBus {
    enum Health {
        case unknown
        case answered(ContinuousClock.Instant)
        case failed(String)
    }

    struct State {
        var isPrepared = false
        var health = Health.unknown
        /// Offsets that the next records get, by doorbell key, when last looked at.
        var ends: [String: Int64] = [:]
        /// Doorbell keys that other processes are to be told.
        var news: Set<String> = []
    }

    let pool: PostgresPool
    let topics: [String: Topic]
    let logger: Logger
    let doorbell = Doorbell()
    let metrics = BusMetrics()
    let prefix: String
    /// Tells the notifications of this bus from those of others.
    let sender = String(UInt64.random(in: .min ... .max), radix: 16)
    let state = Mutex(State())
    private let ownsPool: Bool
    private let publisher: Publisher

    /// - Parameters:
    ///   - ownPool: connections for publishing and reading, of a pool that the bus runs; each membership of a group
    ///     and the doorbell take one more.
    ///   - prefix: the cloudspace's name; topics and groups of several cloudspaces can share a database.
    public convenience init(
        ownPool configuration: PostgresPool.Configuration, prefix: String, topics: [Topic] = Topic.all, logger: Logger
    ) {
        self.init(PostgresPool(configuration), ownsPool: true, prefix: prefix, topics: topics, logger: logger)
    }

    /// - Parameter pool: one that the caller closes, after the bus has run.
    public convenience init(pool: PostgresPool, prefix: String, topics: [Topic] = Topic.all, logger: Logger) {
        self.init(pool, ownsPool: false, prefix: prefix, topics: topics, logger: logger)
    }

    private init(_ pool: PostgresPool, ownsPool: Bool, prefix: String, topics: [Topic], logger: Logger) {
        self.pool = pool
        self.ownsPool = ownsPool
        self.prefix = prefix
        self.topics = Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) })
        self.logger = logger
        publisher = Publisher { batch in
            let statements = batch.statements { "\(prefix).\($0)" }
            if statements.count == 1 {
                try await pool.query(statements[0])
            } else {
                try await pool.withTransaction { connection in
                    for statement in statements { try await connection.query(statement) }
                }
            }
        }
    }

    /// The name that a topic or group has in the tables.
    func stored(_ name: String) -> String { "\(prefix).\(name)" }

    // MARK: Life cycle

    public func prepare() async throws {
        do {
            try await pool.migrate(busMigrations)
            try await preparePartitions()
        } catch {
            note(error)
            throw (error as? BusError) ?? BusError("the bus cannot be prepared: \(error); check SLIPWAY_BUS_URL")
        }
        state.withLock { state in
            state.isPrepared = true
            state.health = .answered(.now)
        }
        doorbell.ring(Self.preparedKey)
    }

    private func preparePartitions() async throws {
        let wanted = topics.values.sorted { $0.name < $1.name }
        try await pool.withTransaction { connection in
            // Several processes prepare at once: each topic's partitions are made by one of them.
            try await connection.query("SELECT pg_advisory_xact_lock(hashtextextended('slipway bus topics', 0))")
            let rows = try await connection.query(
                """
                SELECT topic, count(*) AS partitions FROM partitions
                WHERE topic = ANY(\(BinaryArray.texts(wanted.map { stored($0.name) }))) GROUP BY topic
                """)
            let found = Dictionary(
                uniqueKeysWithValues: try rows.map { (try $0.string("topic"), try $0.int("partitions")) })
            for topic in wanted {
                let name = stored(topic.name)
                guard let count = found[name] else {
                    try await connection.query(
                        """
                        INSERT INTO partitions (topic, partition)
                        SELECT \(name), number FROM generate_series(0, \(topic.partitions)::int - 1) AS number
                        """)
                    continue
                }
                guard count == topic.partitions else {
                    throw BusError(
                        "topic \(name) has \(count) partitions, this program expects \(topic.partitions): run all "
                            + "programs in one version, or use another SLIPWAY_CLOUDSPACE or SLIPWAY_BUS_URL")
                }
            }
        }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.prepareUntilDone()
            await withDiscardingTaskGroup { group in
                group.addTask { await self.watchForever() }
                group.addTask { await self.applyRetentionForever() }
            }
        }
        if ownsPool { await pool.close() }
    }

    private func prepareUntilDone() async {
        var backOff = BusLimits.reconnectBackOffMin
        while !Task.isCancelled {
            do {
                return try await prepare()
            } catch {
                metrics.failed("prepare")
                logger.warning("the bus cannot be prepared, trying again", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
        }
    }

    private static let preparedKey = "prepared"

    /// - Throws: `CancellationError`.
    func waitUntilPrepared() async throws {
        while true {
            let rings = doorbell.count([Self.preparedKey])
            if state.withLock({ $0.isPrepared }) { return }
            try Task.checkCancellation()
            await doorbell.wait([Self.preparedKey], since: rings, timeout: BusLimits.idleFetchInterval)
        }
    }

    func note(_ error: any Error) {
        if error is CancellationError { return }
        state.withLock { $0.health = .failed("\(error)") }
    }

    public func problem() async -> String? {
        switch state.withLock({ $0.health }) {
        case .unknown: return "the bus has not answered yet"
        case .failed(let message): return message
        case .answered(let time):
            let silence = ContinuousClock.now - time
            return silence < BusLimits.recently ? nil : "the bus has not answered for \(silence.components.seconds) s"
        }
    }

    // MARK: Publishing

    public func publish(_ records: [Record]) async throws {
        let batches = try PublishBatch.batches(of: records, among: topics)
        try await waitUntilPrepared()
        for batch in batches {
            do {
                try await publisher.publish(batch)
            } catch {
                if !(error is CancellationError) { metrics.failed("publish") }
                throw error
            }
            for (slot, records) in batch.records { metrics.published(records.count, topic: slot.topic.name) }
            announce(batch.records.keys.map(\.key))
        }
    }

    // MARK: Positions

    public func topicPositions() async throws -> [TopicPosition] {
        try await positions().sorted { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
    }

    public func groupPositions() async throws -> [GroupPosition] {
        let rows = try await pool.query(
            """
            SELECT "group", topic, partition, "offset" AS committed,
                greatest(0, next_offset - greatest("offset", oldest_offset)) AS lag
            FROM offsets JOIN partitions USING (topic, partition)
            WHERE starts_with(topic, \(stored(""))) AND starts_with("group", \(stored(""))) AND "offset" > 0
            ORDER BY "group", topic, partition
            """)
        return try rows.map { row in
            GroupPosition(
                group: String(try row.string("group").dropFirst(stored("").count)),
                topic: String(try row.string("topic").dropFirst(stored("").count)),
                partition: try row.int("partition"), committed: try row.int64("committed"),
                lag: try row.int64("lag"))
        }
    }

    /// Of all partitions of the topics.
    private func positions() async throws -> [TopicPosition] {
        let rows = try await pool.query(
            """
            SELECT topic, partition, next_offset, oldest_offset,
                (SELECT min("offset") FROM states WHERE partition_id = partitions.id) AS oldest_state
            FROM partitions WHERE starts_with(topic, \(stored("")))
            """)
        return try rows.compactMap { row in
            let name = String(try row.string("topic").dropFirst(stored("").count))
            guard let topic = topics[name] else { return nil }
            let next = try row.int64("next_offset")
            let oldest =
                switch topic.kind {
                case .event: try row.int64("oldest_offset")
                case .state: try row.optionalString("oldest_state").flatMap { Int64($0) } ?? next
                }
            return TopicPosition(topic: name, partition: try row.int("partition"), oldest: oldest, next: next)
        }
    }
}
