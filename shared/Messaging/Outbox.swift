// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Postgres
import ServiceLifecycle

/// Events that are recorded with the state change that causes them, in one transaction, and published afterwards.
///
/// `append` within a transaction; run the outbox as a `Service`. One process of a service relays at a time (advisory
/// lock), in the order of appending. A crash between publishing and deleting publishes again: consumers know events
/// by id. For one key, append after taking the lock on what the key names, so that ids follow commits.
public final class Outbox: Service {
    private let pool: PostgresPool
    private let bus: any EventBus
    private let logger: Logger
    /// The service's name as the `source` of its events.
    public let source: String
    private let pollInterval: Duration
    private let signal = Signal()

    public static let batchMax = 200
    /// Looked at this often without a wake-up; also how soon a lost lead is noticed while the bus is slow.
    static let pollInterval: Duration = .seconds(1)
    static let backOffMin: Duration = .milliseconds(100)
    static let backOffMax: Duration = .seconds(5)
    /// More waiting records than this are not counted.
    static let backlogCountMax = 100_000
    /// How a process that does not lead tells the one that does.
    private static let channel = "slipway_outbox"

    /// - Parameter source: such as `/slipway/controller`.
    public convenience init(pool: PostgresPool, bus: any EventBus, source: String, logger: Logger) {
        self.init(pool: pool, bus: bus, source: source, pollInterval: Self.pollInterval, logger: logger)
    }

    init(pool: PostgresPool, bus: any EventBus, source: String, pollInterval: Duration, logger: Logger) {
        self.pool = pool
        self.bus = bus
        self.source = source
        self.pollInterval = pollInterval
        self.logger = logger
    }

    /// Tables for outbox and inbox: every service that uses them begins its migrations with this.
    public static let migration = Migration(
        1, "messaging",
        """
        CREATE TABLE outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key text NOT NULL,
            partition_key text, headers jsonb NOT NULL, value text,
            created_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE inbox (
            consumer text NOT NULL, event_id text NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (consumer, event_id));
        CREATE INDEX inbox_by_age ON inbox (received_at);
        """)

    // MARK: Appending

    /// Records `data` for publishing. Call `wake` once the transaction has committed.
    ///
    /// - Parameter traceparent: what caused it; by default the current trace.
    /// - Throws: `EventError.tooLarge` naming type and size, so that the transaction fails and not the relay.
    public func append<Payload: EventPayload>(
        _ data: Payload, traceparent: String? = nil, in transaction: PostgresConnection
    ) async throws {
        let traceparent = traceparent ?? TraceContext.current?.child().traceparent
        try await append(Event(source: source, traceparent: traceparent, data: data).record(), in: transaction)
    }

    /// Records the removal of a key from a state topic.
    public func appendTombstone<Payload: EventPayload>(
        _: Payload.Type, key: String, partitionKey: String? = nil, in transaction: PostgresConnection
    ) async throws {
        var record = Record.tombstone(Payload.self, key: key, partitionKey: partitionKey, source: source)
        record.headers["traceparent"] = TraceContext.current?.child().traceparent
        try await append(record, in: transaction)
    }

    private func append(_ record: Record, in transaction: PostgresConnection) async throws {
        let headers = String(decoding: try JSONEncoder().encode(record.headers.dictionary), as: UTF8.self)
        try await transaction.query(
            """
            INSERT INTO outbox (topic, key, partition_key, headers, value)
            VALUES (\(record.topic), \(record.key), \(record.partitionKey), \(headers),
                \(record.value.map { String(decoding: $0, as: UTF8.self) }))
            """)
    }

    /// Something was appended and committed.
    public func wake() { signal.raise() }

    // MARK: Relaying

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = Self.backOffMin
            while !Task.isCancelled {
                let began = ContinuousClock.now
                do {
                    let session = try await PostgresConnection.connect(
                        to: self.pool.configuration.url, name: "\(self.pool.configuration.name)-outbox")
                    let result: Result<Void, any Error>
                    do { result = .success(try await self.relay(over: session)) } catch { result = .failure(error) }
                    await session.close()
                    try result.get()
                } catch {
                    if Task.isCancelled { return }
                    self.logger.warning("outbox relay interrupted", metadata: ["error": "\(error)"])
                    if began.duration(to: .now) > Self.backOffMax { backOff = Self.backOffMin }
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, Self.backOffMax)
                }
            }
        }
    }

    private func relay(over session: PostgresConnection) async throws {
        try await takeLead(over: session)
        try await session.listen([Self.channel]) { [signal] _ in signal.raise() }
        var published: [Int] = []
        var measured: ContinuousClock.Instant?
        while true {
            let raised = signal.count
            let batch = try await nextBatch(forgetting: published, over: session)
            if Task.isCancelled { return }
            published = batch.map(\.id)
            if batch.isEmpty {
                record(Backlog(count: 0, oldestSeconds: 0))
                await signal.wait(since: raised, timeout: pollInterval)
                continue
            }
            if measured.map({ $0.duration(to: .now) >= pollInterval }) ?? true {
                record(try await Backlog.measured(over: session))
                measured = .now
            }
            try await publish(batch.map(\.record), over: session)
        }
    }

    /// Waits until no other process of the service relays.
    private func takeLead(over session: PostgresConnection) async throws {
        var told: UInt64 = 0
        while true {
            let raised = signal.count
            let rows = try await session.query(
                "SELECT pg_try_advisory_lock(hashtextextended('slipway outbox relay', 0)) AS leads")
            if try rows.first?.bool("leads") == true { return }
            try Task.checkCancellation()
            if raised != told {
                // Outside of the appending transaction: a notification holds a lock of the whole server at commit.
                try await session.query("SELECT pg_notify(\(Self.channel), '')")
                told = raised
            }
            await signal.wait(since: raised, timeout: pollInterval)
        }
    }

    /// Deletes what is published and reads what is next in one round trip.
    private func nextBatch(
        forgetting published: [Int], over session: PostgresConnection
    ) async throws -> [(id: Int, record: Record)] {
        // The statement sees the table as before its own deletion. Ids below the published ones may still appear:
        // another key's transaction can commit late.
        let rows = try await session.query(
            """
            WITH published AS (DELETE FROM outbox WHERE id = ANY(\(published)))
            SELECT id, topic, key, partition_key, headers, value FROM outbox WHERE id <> ALL(\(published))
            ORDER BY id LIMIT \(Self.batchMax)
            """)
        let decoder = JSONDecoder()
        return try rows.map { row in
            let record = Record(
                topic: try row.string("topic"), key: try row.string("key"),
                partitionKey: try row.optionalString("partition_key"),
                headers: RecordHeaders(
                    try decoder.decode([String: String].self, from: Data(row.string("headers").utf8))),
                value: try row.optionalString("value").map { Data($0.utf8) })
            return (try row.int("id"), record)
        }
    }

    /// While the bus takes its time the session is watched: with it goes the lead, and another process begins where
    /// this one did. Ending here then keeps an old value from overtaking that one's newer.
    private func publish(_ records: [Record], over session: PostgresConnection) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.bus.publish(records) }
            group.addTask {
                while true {
                    try await Task.sleep(for: self.pollInterval)
                    self.record(try await Backlog.measured(over: session))
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: Backlog

    struct Backlog {
        var count: Int
        var oldestSeconds: Double

        /// By the server's clock on both ends.
        static func measured(over connection: PostgresConnection) async throws -> Backlog {
            let row = try await connection.query(
                """
                SELECT count(*) AS count, extract(epoch FROM now() - min(created_at)) AS oldest
                FROM (SELECT created_at FROM outbox ORDER BY id LIMIT \(Outbox.backlogCountMax)) AS waiting
                """
            ).first
            let oldest = try row?.optionalString("oldest").flatMap(Double.init)
            return Backlog(count: try row?.int("count") ?? 0, oldestSeconds: max(0, oldest ?? 0))
        }
    }

    private func record(_ backlog: Backlog) {
        Gauge(label: "slipway_outbox_backlog_records").record(backlog.count)
        Gauge(label: "slipway_outbox_oldest_seconds").record(backlog.oldestSeconds)
    }

    /// How many events wait to be published, counted up to `backlogCountMax`, and since when, in seconds.
    public func backlog() async throws -> (count: Int, oldestSeconds: Double) {
        let backlog = try await pool.withConnection { try await Backlog.measured(over: $0) }
        return (backlog.count, backlog.oldestSeconds)
    }
}
