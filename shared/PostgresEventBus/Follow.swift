// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import ServiceLifecycle

extension PostgresEventBus {
    public func follow(
        _ topic: Topic, partitionKey: String?, handler: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws {
        precondition(topic.kind == .state, "only state topics can be followed")
        let partitions =
            partitionKey.map { [partition(ofKey: $0, count: topic.partitions)] } ?? Array(0..<topic.partitions)
        await cancelWhenGracefulShutdown {
            var positions = Dictionary(uniqueKeysWithValues: partitions.map { ($0, Int64(0)) })
            var isCaughtUp = false
            var backOff = BusLimits.handlerBackOffMin
            while !Task.isCancelled {
                let rings = self.doorbell.count([topic.name])
                do {
                    for partition in partitions {
                        while true {
                            let batch = try await self.fetch(
                                topic, partition: partition, from: positions[partition] ?? 0)
                            for incoming in batch {
                                try await handler(.record(incoming.record))
                                positions[partition] = incoming.offset + 1
                            }
                            if batch.count < BusLimits.fetchBatch { break }
                        }
                    }
                    if !isCaughtUp {
                        try await handler(.caughtUp)
                        isCaughtUp = true
                    }
                    backOff = BusLimits.handlerBackOffMin
                } catch is CancellationError {
                    return
                } catch {
                    self.logger.warning(
                        "following a topic failed, trying again",
                        metadata: ["topic": "\(topic.name)", "error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, BusLimits.handlerBackOffMax)
                    continue
                }
                await self.doorbell.wait([topic.name], since: rings, timeout: BusLimits.pollInterval)
            }
        }
    }
}
