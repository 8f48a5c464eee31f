// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Postgres
import ServiceLifecycle

/// Handles events exactly once in effect: the event's id and the handler's changes commit in one transaction, and
/// the bus commits the offset after it. Handlers of state records must be idempotent: they see the latest value,
/// possibly again.
///
/// An event that cannot be handled is parked in the dead-letter topic with its cause: at once when it is malformed,
/// of a type or version that the catalogue does not have, or rejected; otherwise after `attemptsMax` attempts. Types
/// of the catalogue without a handler are passed over. Trouble with the database is no fault of the event: the bus
/// hands it out again until the database is back.
///
/// **Replay.** Whatever its topics, a consumer reads the dead-letter topic too, and handles what a
/// `DeadLetterReplayRequested` for its group brings back, once. It is handled beside the records that come in the
/// meantime, not in their order. A state record is handled only while it is still the latest value of its key that
/// the group has seen; otherwise a newer one has done its work. A record can be replayed for as long as `replayable`.
/// What fails again is parked anew. What comes by the dead-letter topic is itself never parked, or a letter about a
/// letter would come back for ever.
public struct EventConsumer: Service {
    let bus: any EventBus
    let pool: PostgresPool
    let outbox: Outbox
    let group: String
    let topics: [Topic]
    let afterCommit: @Sendable (Record) -> Void
    let logger: Logger
    private let intake: Intake
    private let inbox: Inbox
    private let skew = ClockSkew()

    public static let attemptsMax = 5
    /// For how long after it was parked a record can be replayed; `InboxPurge` forgets it some time later.
    public static let replayable: Duration = Topic.deadLetters.retention * 2
    static let attemptPause: Duration = .milliseconds(100)
    static let causeLengthMax = 2_000

    /// - Parameters:
    ///   - group: without a slash.
    ///   - knownTypes: the event types of this build; others are parked.
    ///   - afterCommit: called when an event's changes are committed, with its record.
    public init(
        bus: any EventBus, pool: PostgresPool, outbox: Outbox, group: String, topics: [Topic],
        handlers: EventHandlers, knownTypes: Set<String> = Self.catalogueTypes, logger: Logger,
        afterCommit: @escaping @Sendable (Record) -> Void = { _ in }
    ) {
        precondition(!group.contains("/"), "a slash separates the group from the topic in the inbox")
        self.bus = bus
        self.pool = pool
        self.outbox = outbox
        self.group = group
        self.topics = topics
        self.logger = logger
        self.afterCommit = afterCommit
        intake = Intake(handlers: handlers, knownTypes: knownTypes)
        inbox = Inbox(group: group)
    }

    public static let catalogueTypes = Set(Catalogue.all.map(\.type))

    public func run() async throws {
        let letters = topics.contains(.deadLetters) ? [] : [Topic.deadLetters]
        try await bus.consume(group: group, topics: topics + letters) { incoming in
            try await handle(incoming)
        }
    }

    /// A record as it came, or as a replay request brings it back.
    private struct Delivery {
        let incoming: IncomingRecord
        let kind: Topic.Kind
        /// The replay request's event id.
        let request: String?

        var record: Record { incoming.record }
        /// Without an id of its own, the position tells a record from others.
        var id: String {
            Intake.usableID(of: record) ?? "\(record.topic)/\(incoming.partition)/\(incoming.offset)"
        }
    }

    func handle(_ incoming: IncomingRecord) async throws {
        let isLetter = incoming.record.topic == Topic.deadLetters.name
        if isLetter, incoming.record.type == DeadLetterReplayRequested.type, incoming.record.key == group {
            guard let replayed = replayed(by: incoming) else { return }
            try await settle(replayed)
        } else if !isLetter || topics.contains(.deadLetters) {
            try await settle(Delivery(incoming: incoming, kind: kind(of: incoming.record), request: nil))
        }
    }

    private func kind(of record: Record) -> Topic.Kind {
        (topics + Topic.all).first { $0.name == record.topic }?.kind ?? .event
    }

    private func replayed(by incoming: IncomingRecord) -> Delivery? {
        do {
            let request = try Event<DeadLetterReplayRequested>(incoming.record)
            let record = Record(
                topic: request.data.topic, key: request.data.recordKey,
                headers: RecordHeaders(request.data.headers), value: request.data.value.map { Data($0.utf8) })
            return Delivery(
                incoming: IncomingRecord(
                    record: record, partition: request.data.partition, offset: request.data.offset),
                kind: kind(of: record), request: request.id.rawValue)
        } catch {
            refuse(incoming, cause: safeDescription(of: error))
            return nil
        }
    }

    private func settle(_ delivery: Delivery) async throws {
        let trace = delivery.record.traceparent.flatMap(TraceContext.init(traceparent:))
        try await TraceContext.$current.withValue(trace) {
            switch intake.decide(delivery.record, kind: delivery.kind) {
            case .passOver: break
            case .park(let cause): try await park(delivery, cause: cause)
            case .handle(let handler, let time):
                if let time { watchClock(of: delivery.record, time) }
                try await handle(delivery, with: handler, time)
            }
        }
    }

    private func handle(
        _ delivery: Delivery, with handler: EventHandlers.Handler, _ time: Timestamp?
    ) async throws {
        let record = delivery.record
        let began = ContinuousClock.now
        var attempt = 1
        while true {
            do {
                let isNew = try await pool.withTransaction { transaction in
                    guard try await admit(delivery, in: transaction) else { return false }
                    try await handler(record, transaction)
                    return true
                }
                guard isNew else { return }
                outbox.wake()
                afterCommit(record)
                count(delivery, time, seconds: began.duration(to: .now).inSeconds)
                return
            } catch  where Task.isCancelled {
                throw error
            } catch let error as PostgresError where isTrouble(error) {
                throw error
            } catch let error where error is EventError || error is RejectedEvent || attempt == Self.attemptsMax {
                return try await park(delivery, cause: safeDescription(of: error))
            } catch {
                logger.warning(
                    "handling an event failed, trying again",
                    metadata: [
                        "event_id": "\(delivery.id)", "type": "\(record.type ?? "")",
                        "error": "\(safeDescription(of: error))",
                    ])
                try await Task.sleep(for: Self.attemptPause * attempt)
                attempt += 1
            }
        }
    }

    /// Trouble with the database, except what a handler brings about each time: a statement that takes too long, or
    /// one more after a failed one.
    private func isTrouble(_ error: PostgresError) -> Bool {
        error.isRetriable && error.sqlState != "57014" && error.sqlState != "25P02"
    }

    /// - Returns: whether the record is to be handled, or parked, in `transaction`.
    private func admit(_ delivery: Delivery, in transaction: PostgresConnection) async throws -> Bool {
        let (id, record) = (delivery.id, delivery.record)
        if let request = delivery.request {
            guard try await inbox.isFirst(request, on: Topic.deadLetters.name, in: transaction) else { return false }
            guard try await inbox.unpark(id, record, delivery.kind, in: transaction) else {
                logger.notice(
                    "nothing to replay: the record was replayed before, or a newer value of its key was handled",
                    metadata: position(delivery.incoming))
                return false
            }
        }
        switch delivery.kind {
        case .state:
            // The latest value, however often it is applied: only what is parked is remembered.
            try await inbox.supersedeParked(by: id, record, in: transaction)
            return true
        case .event:
            let isFirst = try await inbox.isFirst(id, on: record.topic, in: transaction)
            return isFirst || delivery.request != nil
        }
    }

    // MARK: Parking

    private func park(_ delivery: Delivery, cause: String) async throws {
        let incoming = delivery.incoming
        guard incoming.record.topic != Topic.deadLetters.name else { return refuse(incoming, cause: cause) }
        let letter = DeadLetter(
            consumer: group, partition: incoming.partition, offset: incoming.offset, record: incoming.record,
            cause: cause.cut(to: Self.causeLengthMax))
        let isNew = try await pool.withTransaction { transaction in
            guard try await admit(delivery, in: transaction),
                try await inbox.markParked(delivery.id, incoming.record, delivery.kind, in: transaction)
            else { return false }
            try await outbox.append(letter, in: transaction)
            return true
        }
        guard isNew else { return }
        outbox.wake()
        Counter(
            label: "slipway_events_parked_total", dimensions: [("group", group), ("topic", incoming.record.topic)]
        ).increment()
        logger.error("event parked", metadata: position(incoming).merging(["cause": "\(letter.cause)"]) { $1 })
    }

    /// For what comes by the dead-letter topic.
    private func refuse(_ incoming: IncomingRecord, cause: String) {
        logger.error(
            "a record of the dead-letter topic cannot be handled and is passed over",
            metadata: position(incoming).merging(["cause": "\(cause)"]) { $1 })
        Counter(label: "slipway_dead_letters_refused_total", dimensions: [("group", group)]).increment()
    }

    private func position(_ incoming: IncomingRecord) -> Logger.Metadata {
        [
            "group": "\(group)", "topic": "\(incoming.record.topic)", "partition": "\(incoming.partition)",
            "offset": "\(incoming.offset)",
        ]
    }

    // MARK: Observing

    private func watchClock(of record: Record, _ time: Timestamp) {
        let now = Timestamp.now()
        guard let ahead = ClockSkew.ahead(time, now: now) else { return }
        Counter(label: "slipway_events_ahead_total", dimensions: [("group", group)]).increment()
        let source = (record.headers["ce_source"] ?? "").cut(to: Intake.quoteMax)
        guard skew.isWarningDue(source, now: now) else { return }
        logger.warning(
            "an event comes from the future: a clock is wrong, here or at its source",
            metadata: ["source": "\(source)", "seconds": "\(ahead.components.seconds)", "group": "\(group)"])
    }

    private func count(_ delivery: Delivery, _ time: Timestamp?, seconds: Double) {
        let type = delivery.record.value == nil ? "tombstone" : delivery.record.type ?? ""
        let dimensions = [("group", group), ("type", type)]
        Counter(label: "slipway_events_handled_total", dimensions: dimensions).increment()
        Timer(label: "slipway_events_handling_seconds", dimensions: dimensions).recordSeconds(seconds)
        if let time, delivery.request == nil {
            Recorder(label: "slipway_event_age_seconds", dimensions: [("group", group)])
                .record(max(0, Timestamp.now().since(time).inSeconds))
        }
    }
}
