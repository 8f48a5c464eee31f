// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Logging
import Postgres
import ServiceLifecycle

/// Forgets handled events once they are too old to come again: after twice the retention of their topic, by the
/// database's clock on both ends. What is parked is remembered for as long as it can be replayed, and as long again as
/// the request to do so may be on its way.
public struct InboxPurge: Service {
    let pool: PostgresPool
    let logger: Logger

    static let interval: Duration = .seconds(3600)
    static let batchMax = 5_000

    public init(pool: PostgresPool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await purge()
                } catch {
                    logger.warning("inbox purge failed", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    func purge() async throws {
        let events = Topic.all.filter { $0.kind == .event }
        for (age, topics) in Dictionary(grouping: events, by: Self.kept) {
            try await delete(topics, among: true, olderThan: age)
        }
        // What is left are topics that this build does not know.
        let longest = events.map(Self.kept).max() ?? .zero
        try await delete(events, among: false, olderThan: longest)
    }

    private static func kept(_ topic: Topic) -> Duration {
        topic == .deadLetters ? EventConsumer.replayable + topic.retention : topic.retention * 2
    }

    private func delete(_ topics: [Topic], among isAmong: Bool, olderThan age: Duration) async throws {
        while try await !pool.query(
            """
            DELETE FROM inbox WHERE (consumer, event_id) IN (
                SELECT consumer, event_id FROM inbox
                WHERE received_at < now() - make_interval(secs => \(age.inSeconds))
                    AND (split_part(consumer, '/', 2) = ANY(\(topics.map(\.name)))) = \(isAmong)
                LIMIT \(Self.batchMax))
            RETURNING 1 AS ok
            """
        ).isEmpty {}
    }
}
