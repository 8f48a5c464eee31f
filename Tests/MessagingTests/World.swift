// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Logging
import Postgres
import PostgresEventBus
import Synchronization
import TestSupport
import Testing

@testable import Messaging

struct Note: EventPayload, Hashable {
    static let type = "test.note.v1"
    static let topic = Topic.builds
    var key: String
    var text: String
    var number = 0
}

/// What an upgrade brings.
struct NoteV2: EventPayload {
    static let type = "test.note.v2"
    static let topic = Topic.builds
    var key: String
    var text: String
}

struct Fact: EventPayload {
    static let type = "test.fact.v1"
    static let topic = Topic.routesObserved
    var key: String
    var text: String
}

func note(_ key: String, _ text: String, source: String = "/test", time: Timestamp = .now()) throws -> Record {
    try Event(source: source, time: time, data: Note(key: key, text: text)).record()
}

/// A service's database with its outbox, and the embedded bus. Both run while the test does.
struct World: Sendable {
    let url: String
    let pool: PostgresPool
    let bus: FaultyBus
    let outbox: Outbox
    let logs: LogRecorder
    /// What the dead-letter topic holds.
    let letterRecords: Recorded

    static let types: Set<String> = [Note.type, Fact.type, "build.succeeded.v1"]

    static func with(_ body: @Sendable (World) async throws -> Void) async throws {
        try await TestDatabase.with { url in
            try await TestDatabase.with { busURL in
                let logs = LogRecorder()
                let pool = PostgresPool(.init(url: url, name: "messaging-test"))
                let busPool = PostgresPool(.init(url: busURL, name: "messaging-test-bus"))
                let embedded = PostgresEventBus(
                    pool: busPool, prefix: "test", topics: [.builds, .routesObserved, .deadLetters],
                    logger: logs.logger)
                try await embedded.prepare()
                try await pool.migrate([
                    Outbox.migration,
                    Migration(
                        2, "effects",
                        """
                        CREATE TABLE effects (
                            position bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL, text text NOT NULL);
                        CREATE TABLE counters (key text PRIMARY KEY, n int NOT NULL DEFAULT 0);
                        """),
                ])
                let bus = FaultyBus(embedded)
                let outbox = Outbox(
                    pool: pool, bus: bus, source: "/slipway/test", pollInterval: .milliseconds(50),
                    logger: logs.logger)
                let letters = Recorded()
                let world = World(
                    url: url, pool: pool, bus: bus, outbox: outbox, logs: logs, letterRecords: letters)
                let parts: [Task<Void, any Error>] = [
                    Task { try await bus.run() },
                    Task { try await outbox.run() },
                    Task {
                        try await bus.consume(group: "reader", topics: [.deadLetters]) { letters.append($0.record) }
                    },
                ]
                let result: Result<Void, any Error>
                do { result = .success(try await body(world)) } catch { result = .failure(error) }
                for part in parts.reversed() {
                    part.cancel()
                    _ = await part.result
                }
                await pool.close()
                await busPool.close()
                try result.get()
            }
        }
    }

    func consumer(
        _ handlers: EventHandlers, topics: [Topic] = [.builds], types: Set<String> = Self.types,
        bus: (any EventBus)? = nil
    ) -> EventConsumer {
        EventConsumer(
            bus: bus ?? self.bus, pool: pool, outbox: outbox, group: "test", topics: topics, handlers: handlers,
            knownTypes: types, logger: logs.logger)
    }

    /// Consumes as group `test` while `body` runs.
    func consuming(
        _ handlers: EventHandlers, topics: [Topic] = [.builds], types: Set<String> = Self.types,
        _ body: () async throws -> Void
    ) async throws {
        let consumer = consumer(handlers, topics: topics, types: types)
        let task = Task { try await consumer.run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        task.cancel()
        _ = await task.result
        try result.get()
    }

    /// The texts that handlers wrote down, in their order.
    func effects(_ key: String? = nil) async throws -> [String] {
        let rows =
            if let key {
                try await pool.query("SELECT text FROM effects WHERE key = \(key) ORDER BY position")
            } else {
                try await pool.query("SELECT text FROM effects ORDER BY position")
            }
        return try rows.map { try $0.string("text") }
    }

    func append(_ data: some EventPayload) async throws {
        try await pool.withTransaction { try await outbox.append(data, in: $0) }
        outbox.wake()
    }

    /// The letters so far, in their order, with their event ids.
    func letters() throws -> [Event<DeadLetter>] {
        try letterRecords.all.filter { $0.type == DeadLetter.type }.map { try Event<DeadLetter>($0) }
    }

    func letters(_ count: Int) async throws -> [Event<DeadLetter>] {
        try await eventually("\(count) letters") { try letters().count >= count }
        return try letters()
    }

    /// What the panel publishes when an operator wants `letter` replayed.
    func replayRequest(_ letter: Event<DeadLetter>, consumer: String? = nil) throws -> Record {
        let data = letter.data
        return try Event(
            source: "/slipway/panel",
            data: DeadLetterReplayRequested(
                letter: letter.id.rawValue, consumer: consumer ?? data.consumer, topic: data.topic,
                partition: data.partition, offset: data.offset, recordKey: data.recordKey, headers: data.headers,
                value: data.value)
        ).record()
    }
}

extension EventHandlers {
    /// Writes down key and text.
    static func writing() -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(Note.self) { event, transaction in
            try await write(event.data.key, event.data.text, transaction)
        }
        handlers.on(Fact.self) { event, transaction in
            try await write(event.data.key, event.data.text, transaction)
        }
        return handlers
    }

    static func write(_ key: String, _ text: String, _ transaction: PostgresConnection) async throws {
        try await transaction.query("INSERT INTO effects (key, text) VALUES (\(key), \(text))")
    }
}

/// Passes everything on and keeps what was published; one publishing at a time can be made to fail.
final class FaultyBus: EventBus {
    typealias Publish = @Sendable ([Record]) async throws -> Void
    typealias Fault = @Sendable ([Record], Publish) async throws -> Void

    let bus: any EventBus
    let published = Recorded()
    private let fault = Mutex<Fault?>(nil)

    init(_ bus: any EventBus) { self.bus = bus }

    /// The next `publish` does this, given the real one.
    func failOnce(_ fault: @escaping Fault) { self.fault.withLock { $0 = fault } }

    /// The fault that was set has begun.
    var isFaultTaken: Bool { fault.withLock { $0 == nil } }

    private func take() -> Fault? {
        fault.withLock { fault in
            defer { fault = nil }
            return fault
        }
    }

    func publish(_ records: [Record]) async throws {
        let real: Publish = { records in
            try await self.bus.publish(records)
            self.published.append(records)
        }
        if let fault = take() { try await fault(records, real) } else { try await real(records) }
    }

    func prepare() async throws { try await bus.prepare() }
    func run() async throws { try await bus.run() }
    func consume(
        group: String, topics: [Topic], handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        try await bus.consume(group: group, topics: topics, handler: handler)
    }
    func follow(
        _ topic: Topic, partitionKey: String?, handler: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws {
        try await bus.follow(topic, partitionKey: partitionKey, handler: handler)
    }
    func tail(
        _ topics: [Topic], started: @escaping @Sendable () -> Void,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        try await bus.tail(topics, started: started, handler: handler)
    }
    func topicPositions() async throws -> [TopicPosition] { try await bus.topicPositions() }
    func groupPositions() async throws -> [GroupPosition] { try await bus.groupPositions() }
    func problem() async -> String? { await bus.problem() }
}

final class Recorded: Sendable {
    private let records = Mutex<[Record]>([])

    var all: [Record] { records.withLock { $0 } }
    func append(_ record: Record) { append([record]) }
    func append(_ more: [Record]) { records.withLock { $0 += more } }

    /// The texts of the notes of `key`, in order.
    func notes(_ key: String? = nil) throws -> [String] {
        try all.filter { $0.type == Note.type && (key == nil || $0.key == key) }.map { try Event<Note>($0).data.text }
    }
}

/// Keeps every line with its metadata.
final class LogRecorder: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }
    func lines(with text: String) -> [String] { lines.filter { $0.contains(text) } }
    var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = metadata.merging(event.metadata ?? [:]) { $1 }
            recorder.kept.withLock { $0.append("\(event.level) \(event.message) \(fields)") }
        }
    }
}
