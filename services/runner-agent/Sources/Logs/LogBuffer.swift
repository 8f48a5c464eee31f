// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// Whose lines they are.
struct LogSubject: Sendable, Hashable {
    let instance: InstanceID
    let environment: EnvironmentID
    let deployment: DeploymentID
    let source: LogLines.Source

    init(_ desired: InstanceDesired) {
        instance = desired.instance
        environment = desired.environment
        deployment = desired.deployment
        source = desired.isWeb ? .app : .release
    }

    init(
        instance: InstanceID, environment: EnvironmentID, deployment: DeploymentID, source: LogLines.Source
    ) {
        self.instance = instance
        self.environment = environment
        self.deployment = deployment
        self.source = source
    }
}

/// The lines of one instance on their way to the bus: rate limited, bounded, and handed out in batches. Lines that are
/// lost to a limit are counted in the place where they are missing.
struct LogBuffer: Sendable {
    struct Batch: Sendable, Hashable {
        var dropped: Int
        var lines: [LogLines.Line]
        /// When the last line was written, in nanoseconds since 1970; `nil` without lines.
        var lastNanoseconds: Int64?
        fileprivate var items: Int
    }

    private enum Item: Sendable {
        case line(LogLines.Line, nanoseconds: Int64, cost: Int)
        case dropped(Int)
    }

    private var items: [Item] = []
    private var first = 0
    private(set) var lineCount = 0
    private(set) var cost = 0
    private(set) var oldestAt: Timestamp?
    private var windowStart = Timestamp(microseconds: 0)
    private var windowLines = 0
    /// Hand out what there is without waiting for more.
    var isUrgent = false

    init() {}

    var isEmpty: Bool { first == items.count }

    /// - Parameter hasRoom: the buffers of all instances together are below their limit.
    mutating func append(_ text: String, nanoseconds: Int64, now: Timestamp, hasRoom: Bool = true) {
        if now.since(windowStart) >= .seconds(1) || now < windowStart {
            windowStart = now
            windowLines = 0
        }
        windowLines += 1
        if oldestAt == nil { oldestAt = now }
        let cost = Self.encodedBytes(text)
        guard hasRoom, windowLines <= RunnerLimits.logLinesPerSecondMax, lineCount < RunnerLimits.logLinesWaitingMax,
            self.cost + cost <= RunnerLimits.logBytesWaitingMax
        else {
            // The first item may be in a batch under way, which must not change.
            if items.count - 1 > first, case .dropped(let count) = items[items.count - 1] {
                items[items.count - 1] = .dropped(count + 1)
            } else {
                items.append(.dropped(1))
            }
            return
        }
        let line = LogLines.Line(at: Timestamp(microseconds: nanoseconds / 1_000), text: text)
        items.append(.line(line, nanoseconds: nanoseconds, cost: cost))
        lineCount += 1
        self.cost += cost
    }

    func isDue(at now: Timestamp) -> Bool {
        guard !isEmpty else { return false }
        return isUrgent || lineCount >= RunnerLimits.logBatchLines || cost >= RunnerLimits.logBatchBytesMax
            || dueAt.map { $0 <= now } ?? false
    }

    var dueAt: Timestamp? { isEmpty ? nil : oldestAt?.advanced(by: RunnerLimits.logBatchAge) }

    /// The next batch, which stays in the buffer until `remove`; `nil` when the buffer is empty.
    func batch() -> Batch? {
        guard !isEmpty else { return nil }
        var batch = Batch(dropped: 0, lines: [], lastNanoseconds: nil, items: 0)
        var bytes = 0
        for item in items[first...] {
            switch item {
            case .dropped(let count):
                guard batch.lines.isEmpty else { return batch }
                batch.dropped += count
            case .line(let line, let nanoseconds, let cost):
                bytes += cost
                guard batch.lines.isEmpty || bytes <= RunnerLimits.logBatchBytesMax,
                    batch.lines.count < RunnerLimits.logBatchLines
                else { return batch }
                batch.lines.append(line)
                batch.lastNanoseconds = nanoseconds
            }
            batch.items += 1
        }
        return batch
    }

    /// The batch was published. What arrived since `batch()` stays.
    mutating func remove(_ batch: Batch, now: Timestamp) {
        for index in first..<min(first + batch.items, items.count) {
            if case .line(_, _, let cost) = items[index] {
                lineCount -= 1
                self.cost -= cost
            }
        }
        first = min(first + batch.items, items.count)
        if isEmpty {
            items = []
            first = 0
            oldestAt = nil
            isUrgent = false
        } else {
            oldestAt = now
            if first > items.count / 2 {
                items.removeFirst(first)
                first = 0
            }
        }
    }

    /// What the line takes in a record: its JSON form and its time.
    static func encodedBytes(_ text: String) -> Int {
        var bytes = 64
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5c: bytes += 2
            case 0..<0x20, 0x7f: bytes += 6
            default: bytes += 1
            }
        }
        return bytes
    }
}
