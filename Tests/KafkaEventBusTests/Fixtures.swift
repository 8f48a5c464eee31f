// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import KafkaEventBus
import Logging
import Synchronization
import TestSupport
import Testing

/// What the bus logged, for tests that wait for something only it knows.
final class LogBook: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func contains(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(book: self) }
        logger.logLevel = .debug
        return logger
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .debug
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            book.add("\(event.level) \(event.message) \(event.metadata ?? [:])")
        }
    }
}

/// The catalogue of these tests, and its names in the cluster.
let testTopics: [Topic] = [.builds, .environments]
let prefix = "t"
let storedTopics = Dictionary(uniqueKeysWithValues: testTopics.map { ("\(prefix).\($0.name)", $0.partitions) })

func makeBus(
    _ server: String, log: LogBook = LogBook(), tls: KafkaConfiguration.TLS? = nil, further: [String: String] = [:]
) -> KafkaEventBus {
    KafkaEventBus(
        configuration: KafkaConfiguration(servers: [server], tls: tls, furtherSettings: further), prefix: prefix,
        topics: testTopics, logger: log.logger)
}

/// Runs a bus on `cluster` while `body` does.
func withBus<Result>(
    _ cluster: MockCluster, log: LogBook = LogBook(), further: [String: String] = [:],
    _ body: (KafkaEventBus) async throws -> Result
) async throws -> Result {
    let bus = makeBus(cluster.server, log: log, further: further)
    let running = Task { try await bus.run() }
    let result: Swift.Result<Result, any Error>
    do {
        result = .success(try await body(bus))
    } catch {
        Issue.record("the bus logged:\n\(log.all.joined(separator: "\n"))")
        result = .failure(error)
    }
    running.cancel()
    try await running.value
    return try result.get()
}

func event(_ key: String, _ value: String) -> Record {
    Record(topic: Topic.builds.name, key: key, headers: ["ce_id": value], value: Data(value.utf8))
}

extension IncomingRecord {
    /// Its value, which these tests write as text.
    var text: String { record.value.map { String(decoding: $0, as: UTF8.self) } ?? "tombstone" }
}

/// What handlers saw, and whether two of them had one partition at once.
final class Journal: Sendable {
    private struct State {
        var values: [String] = []
        var active: Set<Int> = []
        var hasOverlap = false
    }

    private let state = Mutex(State())
    var values: [String] { state.withLock { $0.values } }
    var hasOverlap: Bool { state.withLock { $0.hasOverlap } }
    var isActive: Bool { state.withLock { !$0.active.isEmpty } }

    func handle(_ incoming: IncomingRecord, _ work: () async throws -> Void = {}) async throws {
        state.withLock { state in
            if !state.active.insert(incoming.partition).inserted { state.hasOverlap = true }
        }
        defer { _ = state.withLock { $0.active.remove(incoming.partition) } }
        try await work()
        state.withLock { $0.values.append(incoming.text) }
    }
}

/// Numbers that are the same for the same seed. Source: SplitMix64, Steele, Lea and Flood 2014.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
