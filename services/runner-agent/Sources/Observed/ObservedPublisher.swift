// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import ServiceLifecycle
import Synchronization

/// What waits to be published: of each key the latest record only, keys in the order they began to wait.
struct PendingRecords: Sendable {
    private(set) var order: [String] = []
    private var records: [String: Record] = [:]

    init() {}

    var isEmpty: Bool { order.isEmpty }

    mutating func put(_ record: Record) {
        if records.updateValue(record, forKey: record.key) == nil { order.append(record.key) }
    }

    mutating func takeAll() -> [Record] {
        defer {
            order = []
            records = [:]
        }
        return order.compactMap { records[$0] }
    }

    /// Puts back what could not be published, before what came meanwhile and unless that is newer.
    mutating func putBack(_ failed: [Record]) {
        let older = failed.filter { records[$0.key] == nil }
        for record in older { records[record.key] = record }
        order = older.map(\.key) + order
    }
}

/// Publishes what this agent observes, at once; while the bus is away it keeps the latest of each instance.
final class ObservedPublisher: Service {
    private let bus: any EventBus
    private let logger: Logger
    private let pending = Mutex(PendingRecords())
    private let bell = Signal()

    init(bus: any EventBus, logger: Logger) {
        self.bus = bus
        self.logger = logger
    }

    func publish(_ record: Record) {
        pending.withLock { $0.put(record) }
        bell.raise()
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = RunnerLimits.publishBackOffMin
            while !Task.isCancelled {
                let rings = self.bell.count
                if await self.flush() {
                    backOff = RunnerLimits.publishBackOffMin
                    await self.bell.wait(since: rings, timeout: .seconds(3_600))
                } else {
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, RunnerLimits.publishBackOffMax)
                }
            }
        }
        _ = await within(RunnerLimits.lastFlushMax) { await self.flush() }
    }

    /// - Returns: whether everything is published.
    private func flush() async -> Bool {
        let records = pending.withLock { $0.takeAll() }
        guard !records.isEmpty else { return true }
        do {
            try await bus.publish(records)
            return true
        } catch {
            pending.withLock { $0.putBack(records) }
            if !Task.isCancelled {
                logger.warning("instances cannot be reported, trying again", metadata: ["error": "\(error)"])
            }
            return false
        }
    }
}
