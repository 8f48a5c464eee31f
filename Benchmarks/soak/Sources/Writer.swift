// SPDX-License-Identifier: Apache-2.0
import Logging
import Messaging
import Postgres
import ServiceLifecycle
import Synchronization

/// Counts: each transaction raises some counters, enters the steps in the ledger and appends them to the outbox.
final class Writer: Service {
    private let pool: PostgresPool
    private let outbox: Outbox
    /// Transactions a second; 0 leaves only the outbox at work.
    private let rate: Int
    private let logger: Logger
    private let isHeldBack = Atomic(false)

    /// Transactions at a time; some want the same key and wait for each other.
    private static let lanes = 4
    private static let rolledBack = 0.05
    private static let poisoned = 0.000_5
    private static let keysMax = 3
    private static let severalKeys = 0.1
    private static let retryPause: Duration = .milliseconds(200)
    /// With more than this waiting for the bus nothing is added, so that what a fault has dammed up drains in time.
    private static let backlogMax = 10_000
    private static let backlogInterval: Duration = .seconds(1)

    private struct RolledBack: Error {}

    init(pool: PostgresPool, outbox: Outbox, rate: Int, logger: Logger) {
        self.pool = pool
        self.outbox = outbox
        self.rate = rate
        self.logger = logger
    }

    func run() async throws {
        guard rate > 0 else {
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.watchBacklog() }
                for _ in 0..<Self.lanes { group.addTask { await self.write() } }
            }
        }
    }

    private func write() async {
        let interval = Duration.seconds(1) * Self.lanes / rate
        let clock = ContinuousClock()
        var next = clock.now
        while !Task.isCancelled {
            if isHeldBack.load(ordering: .relaxed) {
                try? await Task.sleep(for: Self.retryPause)
                continue
            }
            // Time lost to a fault is not made up for.
            next = max(next + interval, clock.now)
            try? await clock.sleep(until: next)
            do {
                try await count()
                outbox.wake()
            } catch is RolledBack {
            } catch {
                logger.debug("a transaction failed", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    private func count() async throws {
        // The lower of two draws: some keys are wanted more than others.
        let wanted = Double.random(in: 0..<1) < Self.severalKeys ? Self.keysMax : 1
        let keys = Set((0..<wanted).map { _ in min(Int.random(in: 1...Schema.keys), Int.random(in: 1...Schema.keys)) })
        try await pool.withTransaction { transaction in
            // In one order, so that two transactions cannot wait for each other.
            for key in keys.sorted() { try await step("key-\(key)", in: transaction) }
            if Double.random(in: 0..<1) < Self.rolledBack { throw RolledBack() }
        }
    }

    private func step(_ key: String, in transaction: PostgresConnection) async throws {
        let rows = try await transaction.query(
            "UPDATE counters SET sequence = sequence + 1 WHERE key = \(key) RETURNING sequence")
        guard let sequence = try rows.first?.int("sequence") else { throw RejectedEvent("there is no counter \(key)") }
        let token = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let isPoison = Double.random(in: 0..<1) < Self.poisoned
        try await transaction.query("INSERT INTO ledger VALUES (\(key), \(sequence), \(token), \(isPoison))")
        if isPoison, Int.random(in: 0...Counted.Poison.allCases.count) == 0 {
            try await outbox.append(Miscounted(key: key, sequence: "\(sequence)", token: token), in: transaction)
        } else {
            let poison = isPoison ? Counted.Poison.allCases.randomElement() : nil
            try await outbox.append(
                Counted(key: key, sequence: sequence, token: token, poison: poison), in: transaction)
        }
    }

    private func watchBacklog() async {
        while !Task.isCancelled {
            if let backlog = try? await outbox.backlog() {
                isHeldBack.store(backlog.count > Self.backlogMax, ordering: .relaxed)
            }
            try? await Task.sleep(for: Self.backlogInterval)
        }
    }
}
