// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Domain
import EventBus
import Events
import Foundation
import KafkaEventBus
import Logging
import Synchronization

/// Makes and ends many clients of the Kafka bus, some with thousands of records on their way, and fails when memory,
/// files or threads are left over.
///
/// `kafka-leak-check [CLIENTS]`, 1000 by default, on the cluster that `SLIPWAY_TEST_KAFKA` names or, without it, on
/// librdkafka's mock cluster. Prints one line and exits with 1 when something leaked. Runs under valgrind as well.
@main
enum LeakCheck {
    /// What one bus of a cycle makes: a producer, two members of groups, two followers, a tail, and an admin's client
    /// each for preparing and for finding the ends of topics.
    static let clientsPerCycle = 8
    static let cyclesAtOnce = 8
    static let topics: [Topic] = [.environments, .deadLetters, .builds, .routesObserved]
    /// Records that wait in one partition for each slow reader: more than `KafkaLimits.waitingRecords`, beyond which
    /// the partition is paused.
    static let waitingRecords = 3_000
    static let valueBytes = 100
    /// What a slow reader takes for a record.
    static let slowness: Duration = .milliseconds(1)
    /// Slow readers are stopped once they have handled this many: most while records come in...
    static let handledBeforeStop = 3
    /// ...and every fourth cycle's after `KafkaLimits.stallWhileAllAreBusy`, when partitions are paused.
    static let handledBeforeLateStop = 300
    /// What a client may leave behind: rounding of the allocator, tables that have grown, and no more.
    static let heapBytesPerClientMax = 100
    static let heapSlackBytes = 512 << 10
    /// The runtime's own threads, with what they hold open, come and go.
    static let threadSlack = 8
    static let fileSlack = 8
    static let deadline: Duration = .seconds(60)

    struct Stuck: Error {}

    static func main() async throws {
        let clients = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000
        let cycles = max(cyclesAtOnce, (clients + clientsPerCycle - 1) / clientsPerCycle)
        let mock: Mock?
        let server: String
        if let given = ProcessInfo.processInfo.environment["SLIPWAY_TEST_KAFKA"] {
            (mock, server) = (nil, given)
        } else {
            let made = try Mock()
            (mock, server) = (made, made.server)
        }
        let prefix = "leak" + EventID.generate().rawValue.suffix(26)
        try await publishBacklog(server, prefix)
        // Tables, arenas and pools of threads get their size.
        try await run(0..<max(cyclesAtOnce, cycles / 5), server, prefix)
        let before = try await Usage.settled(atMost: nil)
        try await run(0..<cycles, server, prefix)
        let made = cycles * clientsPerCycle
        let limits = Usage(
            heapBytes: before.heapBytes + made * heapBytesPerClientMax + heapSlackBytes,
            files: before.files + fileSlack, threads: before.threads + threadSlack)
        let after = try await Usage.settled(atMost: limits)
        withExtendedLifetime(mock) {}
        let line =
            "clients=\(made) heap_growth_bytes=\(after.heapBytes - before.heapBytes) "
            + "files=\(before.files)->\(after.files) threads=\(before.threads)->\(after.threads)"
        guard after.fits(limits) else {
            print("kafka-leak-check: LEAK \(line)")
            exit(1)
        }
        print("kafka-leak-check: ok \(line)")
    }

    private static func run(_ cycles: Range<Int>, _ server: String, _ prefix: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { running in
            for (position, number) in cycles.enumerated() {
                if position >= cyclesAtOnce { try await running.next() }
                running.addTask { try await cycle("\(cycles.count)-\(number)", number, server, prefix) }
            }
            try await running.waitForAll()
        }
    }

    private static func makeBus(_ server: String, _ prefix: String) -> KafkaEventBus {
        var logger = Logger(label: "leak-check")
        logger.logLevel = .critical
        return KafkaEventBus(
            configuration: KafkaConfiguration(servers: [server]), prefix: prefix, topics: topics, logger: logger)
    }

    private static var value: Data { Data(repeating: 0x78, count: valueBytes) }

    /// What the slow readers of all cycles begin with.
    private static func publishBacklog(_ server: String, _ prefix: String) async throws {
        let bus = makeBus(server, prefix)
        let running = Task { try await bus.run() }
        try await bus.publish(
            (0..<waitingRecords).flatMap { number in
                [
                    // One key is one partition.
                    Record(topic: Topic.builds.name, key: "k", headers: ["h": "v"], value: value),
                    // Compaction leaves them.
                    Record(topic: Topic.routesObserved.name, key: "k\(number)", headers: ["h": "v"], value: value),
                ]
            })
        running.cancel()
        try await running.value
    }

    /// The life of one bus, with everything it offers used once, and two readers stopped with records waiting.
    private static func cycle(_ name: String, _ number: Int, _ server: String, _ prefix: String) async throws {
        let bus = makeBus(server, prefix)
        let seen = Seen()
        let running = Task { try await bus.run() }
        let reading = [
            Task {
                try await bus.consume(group: "g\(name)", topics: [.deadLetters]) { seen.note("consume", $0.record.key) }
            },
            Task {
                try await bus.follow(.environments, partitionKey: name) { event in
                    if case .record(let record) = event { seen.note("follow", record.key) }
                }
            },
            Task {
                try await bus.tail([.deadLetters], started: { seen.note("tail", name) }) { _ in }
            },
            Task {
                try await bus.consume(group: "s\(name)", topics: [.builds]) { _ in
                    seen.note("consume slowly", name)
                    try await Task.sleep(for: slowness)
                }
            },
            Task {
                try await bus.follow(.routesObserved, partitionKey: nil) { _ in
                    seen.note("follow slowly", name)
                    try await Task.sleep(for: slowness)
                }
            },
        ]
        let handled = number % 4 == 0 ? handledBeforeLateStop : handledBeforeStop
        try await bus.publish([
            Record(topic: Topic.environments.name, key: name, headers: ["h": "v"], value: value),
            Record(topic: Topic.deadLetters.name, key: name, headers: ["h": "v"], value: value),
        ])
        let end = ContinuousClock.now + deadline
        while !["consume", "follow", "tail"].allSatisfy({ seen.count($0, name) >= 1 })
            || !["consume slowly", "follow slowly"].allSatisfy({ seen.count($0, name) >= handled })
        {
            if ContinuousClock.now > end { throw Stuck() }
            try await Task.sleep(for: .milliseconds(5))
        }
        for task in reading {
            task.cancel()
            try await task.value
        }
        running.cancel()
        try await running.value
    }
}

private final class Seen: Sendable {
    private let seen = Mutex<[String: Int]>([:])
    func note(_ what: String, _ key: String) { seen.withLock { $0["\(what) \(key)", default: 0] += 1 } }
    func count(_ what: String, _ key: String) -> Int { seen.withLock { $0["\(what) \(key)"] ?? 0 } }
}

/// What this process holds.
private struct Usage {
    var heapBytes: Int
    var files: Int
    var threads: Int

    func fits(_ limits: Usage) -> Bool {
        heapBytes <= limits.heapBytes && files <= limits.files && threads <= limits.threads
    }

    static func now() throws -> Usage {
        Usage(
            heapBytes: crdkafka_heap_bytes(),
            files: try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count,
            threads: try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count)
    }

    /// Threads that have ended take a moment to be gone: looks until `limits` are kept or, without any, for a second.
    static func settled(atMost limits: Usage?) async throws -> Usage {
        for attempt in 0..<100 {
            try await Task.sleep(for: .milliseconds(100))
            let usage = try now()
            guard let limits else {
                if attempt < 10 { continue }
                return usage
            }
            if usage.fits(limits) { return usage }
        }
        return try now()
    }
}

/// Brokers inside this process.
private final class Mock: Sendable {
    struct Trouble: Error {}
    let server: String

    init() throws {
        let configuration = rd_kafka_conf_new()
        rd_kafka_conf_set(configuration, "log_level", "0", nil, 0)
        // Lives as long as the process.
        guard let host = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0),
            let cluster = rd_kafka_mock_cluster_new(host, 1), let server = rd_kafka_mock_cluster_bootstraps(cluster)
        else { throw Trouble() }
        self.server = String(cString: server)
    }
}
