// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle

extension PostgresEventBus {
    public func consume(
        group: String, topics: [Topic], handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        let slots = try slots(of: topics)
        await cancelWhenGracefulShutdown {
            try? await self.waitUntilPrepared()
            var backOff = BusLimits.reconnectBackOffMin
            while !Task.isCancelled {
                do {
                    let session = try await PostgresConnection.connect(
                        to: self.pool.configuration.url, name: "\(self.pool.configuration.name)-\(group)")
                    let member = GroupMember(self, group: group, slots: slots, session: session, handler: handler)
                    let result: Result<Void, any Error>
                    do { result = .success(try await member.run()) } catch { result = .failure(error) }
                    await session.close()
                    if member.hasWorked { backOff = BusLimits.reconnectBackOffMin }
                    try result.get()
                } catch {
                    if Task.isCancelled { return }
                    self.metrics.failed("membership")
                    self.logger.warning(
                        "group membership lost, joining again", metadata: ["group": "\(group)", "error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
                }
            }
        }
    }

    /// The partitions of `topics`, each of which must be in the catalogue that the bus was made with.
    func slots(of topics: [Topic]) throws -> [Slot] {
        try topics.flatMap { topic in
            guard self.topics[topic.name] == topic else { throw BusError("unknown topic \(topic.name)") }
            return (0..<topic.partitions).map { Slot(topic: topic, partition: $0) }
        }
    }
}
