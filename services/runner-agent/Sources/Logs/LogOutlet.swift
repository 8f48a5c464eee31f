// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import NIOPosix
import Synchronization

/// Publishes the lines of all instances in batches, and remembers how far each instance's log has been published.
final class LogOutlet: Sendable {
    private struct Source {
        let subject: LogSubject
        var buffer = LogBuffer()
    }

    private struct Contents {
        var sources: [InstanceID: Source] = [:]
        var positions: [InstanceID: Int64] = [:]
        var forgotten: Set<InstanceID> = []
        var cost = 0
        var version = 0
    }

    private let bus: any EventBus
    private let source: String
    private let path: String
    private let logger: Logger
    private let contents: Mutex<Contents>
    private let bell = Signal()
    private let moved = Signal()
    private let saved = Mutex(0)
    private let droppedLines = Counter(label: "slipway_runner_log_lines_dropped")
    /// Raised when lines have left.
    let progress = Signal()

    /// - Parameter path: where positions are kept.
    init(bus: any EventBus, source: String, path: String, logger: Logger) throws {
        self.bus = bus
        self.source = source
        self.path = path
        self.logger = logger
        var contents = Contents()
        // Without positions, lines may be published twice: that is no reason not to start.
        if let data = try DurableFile.read(path),
            let positions = try? JSONDecoder().decode([InstanceID: Int64].self, from: data)
        {
            contents.positions = positions
        }
        self.contents = Mutex(contents)
    }

    /// How far the instance's log has been published, in nanoseconds since 1970.
    func position(of instance: InstanceID) -> Int64 { contents.withLock { $0.positions[instance] ?? 0 } }

    func append(_ lines: [LogAssembly.Line], of subject: LogSubject, now: Timestamp) {
        guard !lines.isEmpty else { return }
        let isWorthALook = contents.withLock { contents in
            var source = contents.sources.removeValue(forKey: subject.instance) ?? Source(subject: subject)
            let wasEmpty = source.buffer.isEmpty
            contents.cost -= source.buffer.cost
            for line in lines {
                source.buffer.append(
                    line.text, nanoseconds: line.nanoseconds, now: now,
                    hasRoom: contents.cost + source.buffer.cost < RunnerLimits.logBytesWaitingTotalMax)
            }
            contents.cost += source.buffer.cost
            contents.sources[subject.instance] = source
            return wasEmpty || source.buffer.isDue(at: now)
        }
        if isWorthALook { bell.raise() }
    }

    func isEmpty(_ instance: InstanceID) -> Bool { contents.withLock { $0.sources[instance] == nil } }

    /// Publishes the instance's lines without waiting for more.
    func hurry(_ instance: InstanceID) {
        contents.withLock { contents in
            guard var source = contents.sources[instance] else { return }
            source.buffer.isUrgent = true
            contents.sources[instance] = source
        }
        bell.raise()
    }

    /// The instance is gone: its position too, once its last lines have left.
    func forget(_ instance: InstanceID) {
        let hasMoved = contents.withLock { contents in
            guard contents.sources[instance] == nil else {
                contents.forgotten.insert(instance)
                return false
            }
            guard contents.positions.removeValue(forKey: instance) != nil else { return false }
            contents.version += 1
            return true
        }
        if hasMoved { moved.raise() }
    }

    // MARK: Publishing

    func publishUntilCancelled() async {
        var backOff = RunnerLimits.publishBackOffMin
        while !Task.isCancelled {
            let rings = bell.count
            let batches = due(at: .now(), all: false)
            if batches.isEmpty {
                await bell.wait(since: rings, timeout: untilNextDue(.now()))
            } else if await publish(batches) {
                backOff = RunnerLimits.publishBackOffMin
            } else {
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, RunnerLimits.publishBackOffMax)
            }
        }
    }

    /// Publishes everything there is, as far as the bus takes it.
    func publishAll() async {
        while true {
            let batches = due(at: .now(), all: true)
            guard !batches.isEmpty, await publish(batches) else { return }
        }
    }

    private func due(at now: Timestamp, all: Bool) -> [(LogSubject, LogBuffer.Batch)] {
        contents.withLock { contents in
            var batches: [(LogSubject, LogBuffer.Batch)] = []
            for source in contents.sources.values where all || source.buffer.isDue(at: now) {
                guard batches.count < RunnerLimits.logPublishBatches else { break }
                if let batch = source.buffer.batch() { batches.append((source.subject, batch)) }
            }
            return batches
        }
    }

    private func untilNextDue(_ now: Timestamp) -> Duration {
        let next = contents.withLock { contents in contents.sources.values.compactMap(\.buffer.dueAt).min() }
        guard let next else { return .seconds(3_600) }
        return max(.zero, next.since(now))
    }

    private func publish(_ batches: [(LogSubject, LogBuffer.Batch)]) async -> Bool {
        do {
            let records = try batches.map { subject, batch in
                try Event(
                    source: source,
                    data: LogLines(
                        environment: subject.environment, deployment: subject.deployment, instance: subject.instance,
                        source: subject.source, lines: batch.lines, dropped: batch.dropped)
                ).record()
            }
            try await bus.publish(records)
        } catch {
            if !Task.isCancelled {
                logger.warning("log lines cannot be published, trying again", metadata: ["error": "\(error)"])
            }
            return false
        }
        confirm(batches, now: .now())
        return true
    }

    private func confirm(_ batches: [(LogSubject, LogBuffer.Batch)], now: Timestamp) {
        contents.withLock { contents in
            for (subject, batch) in batches {
                let instance = subject.instance
                guard var source = contents.sources.removeValue(forKey: instance) else { continue }
                contents.cost -= source.buffer.cost
                source.buffer.remove(batch, now: now)
                contents.cost += source.buffer.cost
                if let last = batch.lastNanoseconds {
                    contents.positions[instance] = max(contents.positions[instance] ?? 0, last)
                }
                if !source.buffer.isEmpty {
                    contents.sources[instance] = source
                } else if contents.forgotten.remove(instance) != nil {
                    contents.positions[instance] = nil
                }
            }
            contents.version += 1
        }
        let dropped = batches.reduce(0) { $0 + $1.1.dropped }
        if dropped > 0 { droppedLines.increment(by: dropped) }
        progress.raise()
        moved.raise()
    }

    // MARK: Positions

    func savePositionsUntilCancelled() async {
        while !Task.isCancelled {
            let count = moved.count
            await savePositions()
            // At most one write an interval while lines flow, none while they do not.
            try? await Task.sleep(for: RunnerLimits.logPositionsInterval)
            await moved.wait(since: count, timeout: .seconds(3_600))
        }
    }

    func savePositions() async {
        do {
            try await NIOThreadPool.singleton.runIfActive { try self.savePositionsBlocking() }
        } catch {
            if !Task.isCancelled {
                logger.warning("log positions cannot be written", metadata: ["error": "\(error)"])
            }
        }
    }

    private func savePositionsBlocking() throws {
        try saved.withLock { saved in
            let (positions, version) = contents.withLock { ($0.positions, $0.version) }
            guard version != saved else { return }
            try DurableFile.write(try JSONEncoder().encode(positions), to: path)
            saved = version
        }
    }
}
