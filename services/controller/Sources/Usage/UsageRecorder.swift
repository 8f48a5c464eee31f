// SPDX-License-Identifier: Apache-2.0
import Domain
import Logging
import Messaging
import Postgres
import ServiceLifecycle

/// Writes what each environment has used, once a period, as `usage.recorded.v1`.
///
/// What is charged is the time of `UsageSpan`s up to the last sign of life of their hosts, computed from the database
/// alone and committed together with the event: after a crash or a restart nothing is lost and nothing charged twice,
/// and time in which no controller ran is charged by the first period after it. Periods of an environment follow one
/// another without overlap; time that becomes known late belongs to the period in which it becomes known. A period
/// that was not charged a whole second has no event, and what it was short of goes into the next. Several controllers
/// may run: each period is written by one of them.
struct UsageRecorder: Service {
    let pool: PostgresPool
    let outbox: Outbox
    let interval: Duration
    let logger: Logger

    static let intervalSeconds = 1...3600

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Periods begin when instances do: looked at more often than they end, they end about on time.
                try? await Task.sleep(for: interval / 4)
                do {
                    try await record(at: .now())
                } catch {
                    if Task.isCancelled { return }
                    logger.warning("usage could not be recorded, trying again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Records every environment whose last record is a period old.
    func record(at now: Timestamp) async throws {
        let time = now.advanced(by: .zero - interval)
        for environment in try await UsageStore.due(since: time, from: pool) {
            try await pool.withTransaction { transaction in
                // The lock on the meter comes before the event, so that events follow one another as periods do.
                if let usage = try await UsageStore.charge(
                    environment, recordedBefore: time, at: now, in: transaction)
                {
                    try await outbox.append(usage, in: transaction)
                }
            }
            outbox.wake()
        }
    }
}
