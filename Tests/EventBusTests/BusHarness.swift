// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import KafkaEventBus
import Logging
import Postgres
import PostgresEventBus
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

/// The implementations that the contract suite runs on.
enum BusKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case postgres, kafka

    /// `host:port` of any Kafka cluster that accepts clients without TLS and SASL.
    static let kafkaAddress = ProcessInfo.processInfo.environment["SLIPWAY_TEST_KAFKA"]
    /// Whether the broker goes on with a rebalance without waiting for members that finish their records, as `noida-db`
    /// does. What they handled cannot be committed then and comes again: at least once, but not as good as Kafka.
    var isHasty: Bool {
        self == .kafka && ProcessInfo.processInfo.environment["SLIPWAY_TEST_KAFKA_HASTY"] == "1"
    }
    static var available: [BusKind] { kafkaAddress == nil ? [.postgres] : allCases }

    var testDescription: String { rawValue }
}

/// How long the slowest of what a bus does may take: finding that a member came, left or died.
let membershipMax: Duration = .seconds(45)

let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// A bus that one test has to itself. Everything it started ends with it.
final class TestBus: Sendable {
    let kind: BusKind
    let topics: [Topic]
    /// Runs as long as the test and is prepared.
    let bus: any EventBus
    let maker: BusMaker
    /// Takes up the readers that are started in the current task.
    @TaskLocal private static var scope = Readers()

    private init(_ kind: BusKind, _ topics: [Topic], _ bus: any EventBus, _ maker: BusMaker) {
        self.kind = kind
        self.topics = topics
        self.bus = bus
        self.maker = maker
    }

    static func with(
        _ kind: BusKind, _ topics: [Topic], _ body: @Sendable (TestBus) async throws -> Void
    ) async throws {
        try await BusMaker.with(kind) { maker in
            try await maker.client(topics, cloudspace: "").running { bus in
                try await bus.prepare()
                let test = TestBus(kind, topics, bus, maker)
                try await test.endingReaders { try await body(test) }
            }
        }
    }

    /// Another process's client of the same bus. It runs while `body` does; readers that `body` starts end with it.
    func withClient<Result>(
        cloudspace: String = "", _ body: (any EventBus) async throws -> Result
    ) async throws -> Result {
        try await run(makeIdleClient(cloudspace: cloudspace), body)
    }

    /// A client that does not run before `run` is called with it.
    func makeIdleClient(cloudspace: String = "", logger: Logger = quiet) -> BusClient {
        maker.client(topics, cloudspace: cloudspace, logger: logger)
    }

    func run<Result>(
        _ client: BusClient, _ body: (any EventBus) async throws -> Result
    ) async throws -> Result {
        try await client.running { bus in try await endingReaders { try await body(bus) } }
    }

    /// Ends the readers that `body` starts, before the client they read with ends.
    private func endingReaders<Result>(_ body: () async throws -> Result) async throws -> Result {
        let scope = Readers()
        let result = await attempt { try await Self.$scope.withValue(scope, operation: body) }
        for reader in scope.all { await reader.cancel() }
        return try result.get()
    }

    /// Runs `service` as a process would.
    func start(_ service: @escaping @Sendable () async throws -> Void) -> Reader {
        let reader = Reader(service)
        Self.scope.add(reader)
        return reader
    }

    func consume(
        _ group: String, _ topics: [Topic], on client: (any EventBus)? = nil,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) -> Reader {
        let bus = client ?? bus
        return start { try await bus.consume(group: group, topics: topics, handler: handler) }
    }

    func follow(_ topic: Topic, partitionKey: String? = nil, into table: Table) -> Reader {
        let bus = bus
        return start { try await bus.follow(topic, partitionKey: partitionKey) { try table.apply($0) } }
    }

    /// Returns once every later record will be seen.
    func tail(_ topics: [Topic], into ledger: Ledger) async throws -> Reader {
        let bus = bus
        let started = Gate()
        let reader = start {
            try await bus.tail(topics, started: { started.open() }, handler: { try await ledger.handle($0) })
        }
        try await started.wait()
        return reader
    }

    /// Records published and not handled by `group`, where it has committed; `nil` before it has anywhere.
    func lag(_ group: String) async throws -> Int64? {
        let positions = try await bus.groupPositions().filter { $0.group == group }
        return positions.isEmpty ? nil : positions.reduce(0) { $0 + $1.lag }
    }

    /// The offset that `group` goes on with, 0 where it has not committed any.
    func committed(_ group: String, _ topic: Topic, partition: Int) async throws -> Int64 {
        try await bus.groupPositions()
            .first { $0.group == group && $0.topic == topic.name && $0.partition == partition }?.committed ?? 0
    }

    func recordsStored() async throws -> Int64 {
        try await bus.topicPositions().reduce(0) { $0 + $1.next - $1.oldest }
    }
}

/// A client and what has to be closed after it has run.
struct BusClient: Sendable {
    let bus: any EventBus
    var close: @Sendable () async -> Void = {}

    /// Runs it while `body` runs, then closes it.
    @discardableResult
    func running<Result>(_ body: (any EventBus) async throws -> Result) async throws -> Result {
        let running = Task { try await bus.run() }
        let result = await attempt { try await body(bus) }
        running.cancel()
        let ended = await running.result
        await close()
        let value = try result.get()
        if case .failure(let error) = ended, !(error is CancellationError) { throw error }
        return value
    }
}

/// Makes clients of one database or cluster under one random prefix.
struct BusMaker: Sendable {
    let prefix: String
    /// URL of the database, or `host:port` of the cluster.
    let address: String
    let kind: BusKind

    static func with(_ kind: BusKind, _ body: @Sendable (BusMaker) async throws -> Void) async throws {
        let prefix = "t" + EventID.generate().rawValue.suffix(26)
        switch kind {
        case .postgres:
            try await TestDatabase.with { url in
                try await body(BusMaker(prefix: prefix, address: url, kind: kind))
            }
        case .kafka:
            let address = try #require(BusKind.kafkaAddress)
            try await body(BusMaker(prefix: prefix, address: address, kind: kind))
        }
    }

    func client(_ topics: [Topic], cloudspace: String, logger: Logger = quiet) -> BusClient {
        switch kind {
        case .postgres: .postgres(address, prefix: prefix + cloudspace, topics: topics, logger: logger)
        case .kafka: .kafka(address, prefix: prefix + cloudspace, topics: topics, logger: logger)
        }
    }
}

func attempt<Success>(_ body: () async throws -> Success) async -> Result<Success, any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
}

/// A reader of the bus, run as the service of a process.
struct Reader: Sendable {
    private struct Body: Service {
        let body: @Sendable () async throws -> Void
        func run() async throws { try await body() }
    }

    private let group: ServiceGroup
    private let task: Task<Void, any Error>

    fileprivate init(_ body: @escaping @Sendable () async throws -> Void) {
        let group = ServiceGroup(services: [Body(body: body)], logger: quiet)
        self.group = group
        task = Task { try await group.run() }
    }

    /// Shuts down gracefully and waits for the end.
    func leave() async throws {
        await group.triggerGracefulShutdown()
        try await task.value
    }

    /// Cancels and waits for the end.
    func cancel() async {
        task.cancel()
        _ = await task.result
    }
}

private final class Readers: Sendable {
    private let state = Mutex<[Reader]>([])
    var all: [Reader] { state.withLock { $0 } }
    func add(_ reader: Reader) { state.withLock { $0.append(reader) } }
}

/// Holds back whoever waits until it is opened; lets go of those who are cancelled.
final class Gate: Sendable {
    private let state = Mutex(false)
    var isOpen: Bool { state.withLock { $0 } }
    func open() { state.withLock { $0 = true } }
    func wait() async throws { try await eventually("the gate opens", within: .seconds(60)) { isOpen } }
}

/// Opens its gate when a bus logs `message`.
struct LogGate: LogHandler {
    let gate: Gate
    let message: String
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    static func logger(_ gate: Gate, opensOn message: String) -> Logger {
        Logger(label: "test") { _ in LogGate(gate: gate, message: message) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if "\(event.message)" == message { gate.open() }
    }
}

/// What the handlers of one group saw, and whether two of them had one partition at once.
final class Ledger: Sendable {
    struct Slot: Hashable, Sendable {
        let topic: String
        let partition: Int
    }

    private struct Place: Hashable {
        let slot: Slot
        let offset: Int64
    }

    private struct State {
        var begun: [IncomingRecord] = []
        var finished: [IncomingRecord] = []
        var firsts: [IncomingRecord] = []
        var seen: Set<Place> = []
        var active: Set<Slot> = []
        var overlaps: [Slot] = []
    }

    private let state = Mutex(State())

    /// What handlers were called with, in that order.
    var begun: [IncomingRecord] { state.withLock { $0.begun } }
    /// What handlers have returned for, in that order.
    var finished: [IncomingRecord] { state.withLock { $0.finished } }
    /// Partitions in which a handler was called while another one was running.
    var overlaps: [Slot] { state.withLock { $0.overlaps } }

    func handle(_ incoming: IncomingRecord, _ work: () async throws -> Void = {}) async throws {
        let slot = Slot(topic: incoming.record.topic, partition: incoming.partition)
        let isAlone = state.withLock { state in
            state.begun.append(incoming)
            let isAlone = state.active.insert(slot).inserted
            if !isAlone { state.overlaps.append(slot) }
            return isAlone
        }
        let result = await attempt(work)
        state.withLock { state in
            if isAlone { state.active.remove(slot) }
            guard case .success = result else { return }
            state.finished.append(incoming)
            let isFirst = state.seen.insert(Place(slot: slot, offset: incoming.offset)).inserted
            if isFirst { state.firsts.append(incoming) }
        }
        try result.get()
    }

    /// Every record that was handled, once each, in the order of the first time.
    var firsts: [IncomingRecord] { state.withLock { $0.firsts } }
    /// Handlers that returned for a record that had been handled already.
    var repeats: Int { state.withLock { $0.finished.count - $0.firsts.count } }
}

/// A follower's view of a state topic.
final class Table: Sendable {
    struct State: Sendable {
        /// Values by key; removed keys are absent.
        var values: [String: String] = [:]
        /// Keys in the order in which they came, with values; `nil` for a tombstone.
        var changes: [(key: String, value: String?)] = []
        /// What `values` was when the mark came, once for each mark.
        var marks: [[String: String]] = []
    }

    private let current = Mutex(State())
    private let refuse: @Sendable (FollowEvent) throws -> Void

    /// - Parameter refuse: what the handler does before it takes an event over.
    init(refuse: @escaping @Sendable (FollowEvent) throws -> Void = { _ in }) { self.refuse = refuse }

    var state: State { current.withLock { $0 } }
    var values: [String: String] { state.values }
    var isCaughtUp: Bool { !state.marks.isEmpty }

    func apply(_ event: FollowEvent) throws {
        try refuse(event)
        current.withLock { state in
            switch event {
            case .caughtUp: state.marks.append(state.values)
            case .record(let record):
                state.values[record.key] = record.text
                state.changes.append((record.key, record.text))
            }
        }
    }
}

extension Record {
    init(_ topic: Topic, _ key: String, _ text: String?, partitionKey: String? = nil) {
        self.init(
            topic: topic.name, key: key, partitionKey: partitionKey,
            headers: ["ce_id": EventID.generate().rawValue, "ce_type": "test.v1"],
            value: text.map { Data($0.utf8) })
    }

    var text: String? { value.map { String(decoding: $0, as: UTF8.self) } }
}

extension Sequence<IncomingRecord> {
    var texts: [String] { map { $0.record.text ?? "tombstone" } }
    func texts(of key: String) -> [String] { filter { $0.record.key == key }.texts }
    var byKey: [String: [String]] { Dictionary(grouping: self, by: \.record.key).mapValues(\.texts) }
}

extension Topic {
    /// A key whose records go to `partition`.
    func key(inPartition wanted: Int, _ name: String = "key") -> String {
        var number = 0
        while partition(ofKey: "\(name)\(number)", count: partitions) != wanted { number += 1 }
        return "\(name)\(number)"
    }
}

extension BusClient {
    static let sentinelPassword = "sentinel-password"

    static func postgres(
        _ url: String, prefix: String, topics: [Topic], logger: Logger = quiet
    ) -> BusClient {
        let pool = PostgresPool(.init(url: url, name: "bus-test", connectionsMax: 6))
        let bus = PostgresEventBus(pool: pool, prefix: prefix, topics: topics, logger: logger)
        return BusClient(bus: bus) { await pool.close() }
    }

    static func kafka(
        _ server: String, prefix: String, topics: [Topic], sasl: KafkaConfiguration.SASL? = nil,
        logger: Logger = quiet
    ) -> BusClient {
        let configuration = KafkaConfiguration(servers: [server], sasl: sasl)
        return BusClient(
            bus: KafkaEventBus(configuration: configuration, prefix: prefix, topics: topics, logger: logger))
    }

    /// A client whose server is not there.
    static func unreachable(_ kind: BusKind, _ port: DeadPort, topics: [Topic]) -> BusClient {
        let server = "127.0.0.1:\(port.port)"
        switch kind {
        case .postgres:
            return postgres("postgresql://user:\(sentinelPassword)@\(server)/bus", prefix: "p", topics: topics)
        case .kafka:
            let sasl = KafkaConfiguration.SASL(mechanism: .plain, username: "user", password: sentinelPassword)
            return kafka(server, prefix: "p", topics: topics, sasl: sasl)
        }
    }
}
