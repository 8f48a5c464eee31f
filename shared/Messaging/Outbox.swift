// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

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
    private let signal = Signal()

    public static let batchMax = 200
    /// Looked at this often without a wake-up: another process of the service may have appended.
    static let pollInterval: Duration = .seconds(1)
    static let backOffMin: Duration = .milliseconds(100)
    static let backOffMax: Duration = .seconds(5)

    /// - Parameter source: such as `/slipway/controller`.
    public init(pool: PostgresPool, bus: any EventBus, source: String, logger: Logger) {
        self.pool = pool
        self.bus = bus
        self.source = source
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

    /// Records `data` for publishing. Call `wake` once the transaction has committed.
    public func append<Payload: EventPayload>(
        _ data: Payload, traceparent: String? = nil, in transaction: PostgresConnection
    ) async throws {
        try await append(Event(source: source, traceparent: traceparent, data: data).record(), in: transaction)
    }

    /// Records the removal of a key from a state topic.
    public func appendTombstone<Payload: EventPayload>(
        _: Payload.Type, key: String, partitionKey: String? = nil, in transaction: PostgresConnection
    ) async throws {
        try await append(
            Record.tombstone(Payload.self, key: key, partitionKey: partitionKey, source: source), in: transaction)
    }

    func append(_ record: Record, in transaction: PostgresConnection) async throws {
        let headers = String(decoding: try JSONEncoder().encode(record.headers), as: UTF8.self)
        try await transaction.query(
            """
            INSERT INTO outbox (topic, key, partition_key, headers, value)
            VALUES (\(record.topic), \(record.key), \(record.partitionKey), \(headers),
                \(record.value.map { String(decoding: $0, as: UTF8.self) }))
            """)
    }

    /// Something was appended and committed.
    public func wake() { signal.raise() }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = Self.backOffMin
            while !Task.isCancelled {
                do {
                    let session = try await PostgresConnection.connect(
                        to: self.pool.configuration.url, name: "\(self.pool.configuration.name)-outbox")
                    let result: Result<Void, any Error>
                    do { result = .success(try await self.relay(over: session)) } catch { result = .failure(error) }
                    await session.close()
                    try result.get()
                    backOff = Self.backOffMin
                } catch {
                    if Task.isCancelled { return }
                    self.logger.warning("outbox relay interrupted", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, Self.backOffMax)
                }
            }
        }
    }

    private func relay(over session: PostgresConnection) async throws {
        while !Task.isCancelled {
            let leads = try await session.query(
                "SELECT pg_try_advisory_lock(hashtextextended('slipway outbox relay', 0)) AS leads")
            if try leads.first?.bool("leads") == true { break }
            try await Task.sleep(for: Self.pollInterval)
        }
        while !Task.isCancelled {
            let raised = signal.count
            let rows = try await session.query(
                "SELECT id, topic, key, partition_key, headers, value FROM outbox ORDER BY id LIMIT \(Self.batchMax)")
            if rows.isEmpty {
                await signal.wait(since: raised, timeout: Self.pollInterval)
                continue
            }
            let records = try rows.map { row in
                Record(
                    topic: try row.string("topic"), key: try row.string("key"),
                    partitionKey: try row.optionalString("partition_key"),
                    headers: try JSONDecoder().decode([String: String].self, from: Data(row.string("headers").utf8)),
                    value: try row.optionalString("value").map { Data($0.utf8) })
            }
            try await bus.publish(records)
            try await session.query("DELETE FROM outbox WHERE id = ANY(\(rows.map { try $0.int("id") }))")
        }
    }

    /// How many events wait to be published and since when, in seconds: for metrics and readiness.
    public func backlog() async throws -> (count: Int, oldestSeconds: Double) {
        let row = try await pool.query(
            "SELECT count(*) AS count, min(created_at) AS oldest FROM outbox"
        ).first
        let oldest = try row?.optionalTimestamp("oldest")
        return (try row?.int("count") ?? 0, oldest.map { Timestamp.now().since($0).inSeconds } ?? 0)
    }
}
