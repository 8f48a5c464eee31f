// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle

/// What a service does with each event type it cares about. Types without a handler are passed over.
public struct EventHandlers: Sendable {
    typealias Handler = @Sendable (Record, PostgresConnection) async throws -> Void
    var handlers: [String: Handler] = [:]
    var tombstones: [String: Handler] = [:]

    public init() {}

    /// `body` runs in the transaction that also records the event as handled; it must have no other effect.
    public mutating func on<Payload: EventPayload>(
        _: Payload.Type, _ body: @escaping @Sendable (Event<Payload>, PostgresConnection) async throws -> Void
    ) {
        handlers[Payload.type] = { record, transaction in
            try await body(Event<Payload>(record), transaction)
        }
    }

    /// `body` is given the key that was removed from the state topic of `Payload`.
    public mutating func onTombstone<Payload: EventPayload>(
        _: Payload.Type, _ body: @escaping @Sendable (String, PostgresConnection) async throws -> Void
    ) {
        tombstones[Payload.topic.name] = { record, transaction in
            try await body(record.key, transaction)
        }
    }
}

/// Handles events exactly once in effect: the event's id and the handler's changes commit in one transaction.
/// Handlers of state records must be idempotent: they see the latest value, possibly again.
///
/// An event that cannot be handled is tried `attemptsMax` times, then parked in the dead-letter topic. Trouble with
/// the database is no fault of the event: it is tried until the database is back.
public struct EventConsumer: Service {
    let bus: any EventBus
    let pool: PostgresPool
    let outbox: Outbox
    let group: String
    let topics: [Topic]
    let handlers: EventHandlers
    let afterCommit: @Sendable (Record) -> Void
    let logger: Logger

    public static let attemptsMax = 5
    static let attemptPause: Duration = .milliseconds(100)

    /// - Parameter afterCommit: called when an event's changes are committed, with its record.
    public init(
        bus: any EventBus, pool: PostgresPool, outbox: Outbox, group: String, topics: [Topic],
        handlers: EventHandlers, logger: Logger, afterCommit: @escaping @Sendable (Record) -> Void = { _ in }
    ) {
        self.bus = bus
        self.pool = pool
        self.outbox = outbox
        self.group = group
        self.topics = topics
        self.handlers = handlers
        self.logger = logger
        self.afterCommit = afterCommit
    }

    public func run() async throws {
        try await bus.consume(group: group, topics: topics) { incoming in
            try await handle(incoming)
        }
    }

    func handle(_ incoming: IncomingRecord) async throws {
        let record = incoming.record
        let handler: EventHandlers.Handler
        if record.value == nil {
            guard let found = handlers.tombstones[record.topic] else { return }
            handler = found
        } else {
            guard let type = record.type else {
                return try await park(incoming, cause: "the record has no header ce_type")
            }
            guard let found = handlers.handlers[type] else { return }
            handler = found
        }
        guard let id = record.eventID else {
            return try await park(incoming, cause: "the record has no header ce_id")
        }
        var attempt = 1
        while true {
            do {
                let isNew = try await pool.withTransaction { transaction in
                    // A state record is the latest value, however often it is applied: only events are remembered.
                    if !isState(record) {
                        guard try await isFirst(id, in: transaction) else { return false }
                    }
                    try await handler(record, transaction)
                    return true
                }
                if isNew {
                    outbox.wake()
                    afterCommit(record)
                }
                return
            } catch let error as PostgresError where error.isRetriable {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch let error where error is EventError || error is RejectedEvent || attempt == Self.attemptsMax {
                return try await park(incoming, cause: "\(error)")
            } catch {
                logger.warning(
                    "handling an event failed, trying again",
                    metadata: ["event_id": "\(id)", "type": "\(record.type ?? "")", "error": "\(error)"])
                try await Task.sleep(for: Self.attemptPause * attempt)
                attempt += 1
            }
        }
    }

    private func isState(_ record: Record) -> Bool {
        topics.contains { $0.name == record.topic && $0.kind == .state }
    }

    private func isFirst(_ id: String, in transaction: PostgresConnection) async throws -> Bool {
        try await !transaction.query(
            """
            INSERT INTO inbox (consumer, event_id) VALUES (\(group), \(id)) ON CONFLICT DO NOTHING
            RETURNING 1 AS ok
            """
        ).isEmpty
    }

    private func park(_ incoming: IncomingRecord, cause: String) async throws {
        logger.error(
            "event parked",
            metadata: [
                "topic": "\(incoming.record.topic)", "partition": "\(incoming.partition)",
                "offset": "\(incoming.offset)", "cause": "\(cause)",
            ])
        let letter = DeadLetter(
            consumer: group,
            incoming: IncomingRecordPosition(partition: incoming.partition, offset: incoming.offset),
            record: incoming.record, cause: cause)
        try await pool.withTransaction { transaction in
            // Without an id of its own, the position tells the record from others.
            let id = incoming.record.eventID ?? "\(incoming.record.topic)/\(incoming.partition)/\(incoming.offset)"
            guard try await isFirst(id, in: transaction) else { return }
            try await outbox.append(letter, in: transaction)
        }
        outbox.wake()
    }
}
