// SPDX-License-Identifier: Apache-2.0
import Domain
import Logging
import Postgres
import ServiceLifecycle

/// Forgets handled events once they are too old to come again.
public struct InboxPurge: Service {
    let pool: PostgresPool
    let logger: Logger

    /// Twice the longest retention of an event topic that services consume.
    static let age: Duration = .seconds(14 * 86_400)
    static let interval: Duration = .seconds(3600)

    public init(pool: PostgresPool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await pool.query(
                        "DELETE FROM inbox WHERE received_at < \(Timestamp.now().advanced(by: .zero - Self.age))")
                } catch {
                    logger.warning("inbox purge failed", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
