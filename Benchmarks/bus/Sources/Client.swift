// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Glibc
import KafkaEventBus
import Logging
import PostgresEventBus
import Synchronization

let eventTopic = Topic.deployments
let stateTopic = Topic.instancesObserved
/// Publishing as the outbox does it.
let callRecords = 200
let calls = 8

extension Options {
    func makeBus() throws -> any EventBus {
        var logger = Logger(label: "bench")
        logger.logLevel = .warning
        let url = try string("bus")
        let topics = [eventTopic, stateTopic, .builds, .deadLetters]
        let prefix = try string("prefix")
        if url.hasPrefix("kafka://") {
            return KafkaEventBus(
                configuration: KafkaConfiguration(
                    servers: [String(url.dropFirst("kafka://".count))],
                    // The broker of the benchmark does not heed the limits of a fetch and sends all it has.
                    furtherSettings: ["receive.message.max.bytes": "1000000000"]),
                prefix: prefix, topics: topics, logger: logger)
        }
        return PostgresEventBus(ownPool: .init(url: url, name: "bench"), prefix: prefix, topics: topics, logger: logger)
    }

    /// Gives `body` as many clients as it wants, each as a process of its own would have one.
    func withBuses<Result: Sendable>(
        _ count: Int = 1, _ body: ([any EventBus]) async throws -> Result
    ) async throws -> Result {
        let buses = try (0..<count).map { _ in try makeBus() }
        let running = buses.map { bus in Task { try await bus.run() } }
        let outcome: Swift.Result<Result, any Error>
        do {
            try await buses[0].prepare()
            outcome = .success(try await body(buses))
        } catch {
            outcome = .failure(error)
        }
        for task in running { task.cancel() }
        for task in running { _ = await task.result }
        return try outcome.get()
    }
}

/// 1 KiB, with the headers of an event.
func record(_ topic: Topic, _ number: Int) -> Record {
    let key = "key-\(number)"
    return Record(
        topic: topic.name, key: key,
        headers: [
            "ce_specversion": "1.0", "ce_id": "evt_01j9z3x8k2v7q5m4n6p8r0s2t4", "ce_type": "bench.measured.v1",
            "ce_source": "/slipway/bench", "ce_time": "2026-01-01T00:00:00.000000Z", "ce_subject": key,
            "content-type": "application/json",
        ], value: Data(repeating: UInt8(ascii: "x"), count: 1024))
}

/// Some records, made beforehand: making them is not the bus's work.
let samples = (0..<1_000).map { record(eventTopic, $0) }

/// What the process has used so far.
struct Usage {
    let at = ContinuousClock.now
    private(set) var cpu: Double

    /// Time counts from now, CPU from the start of the process.
    static var sinceStart: Usage {
        var usage = Usage()
        usage.cpu = 0
        return usage
    }

    init() {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    func figures(records: Int) -> Figures {
        let end = Usage()
        let seconds = (end.at - at).inSeconds
        return [
            ("rate", Double(records) / seconds), ("cpu_us", (end.cpu - cpu) * 1e6 / Double(records)),
            ("seconds", seconds),
        ]
    }
}

func percentiles(_ durations: [Duration]) -> Figures {
    let sorted = durations.map { $0.inSeconds * 1000 }.sorted()
    func at(_ share: Double) -> Double { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
    return [("p50_ms", at(0.5)), ("p99_ms", at(0.99)), ("max_ms", sorted[sorted.count - 1])]
}

/// A mark that handlers set and the measurement waits for.
final class Finish: Sendable {
    private let signal = Signal()

    func reach() { signal.raise() }

    func wait(for what: String) async throws {
        await signal.wait(since: 0, timeout: .seconds(120))
        if signal.count == 0 { throw BusError("not within 120 s: \(what)") }
    }
}
