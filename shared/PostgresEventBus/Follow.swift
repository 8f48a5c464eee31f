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
        var slots = try slots(of: [topic])
        if let partitionKey { slots = [slots[partition(ofKey: partitionKey, count: topic.partitions)]] }
        await read(slots.map { ReadAhead(self, $0, from: 0) }, caughtUp: { try await handler(.caughtUp) }) {
            try await handler(.record($0.record))
        }
    }

    public func tail(
        _ topics: [Topic], started: @escaping @Sendable () -> Void,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        let slots = try slots(of: topics)
        await cancelWhenGracefulShutdown {
            guard let ends = await self.ends(of: slots) else { return }
            started()
            await self.read(zip(slots, ends).map { ReadAhead(self, $0, from: $1) }, caughtUp: {}, handler: handler)
        }
    }

    /// Where the next records go; `nil` when cancelled.
    private func ends(of slots: [Slot]) async -> [Int64]? {
        var backOff = BusLimits.reconnectBackOffMin
        while !Task.isCancelled {
            do {
                try await waitUntilPrepared()
                let positions = try await topicPositions()
                let ends = Dictionary(uniqueKeysWithValues: positions.map { ("\($0.topic)/\($0.partition)", $0.next) })
                return slots.map { ends[$0.key] ?? 0 }
            } catch {
                if Task.isCancelled { return nil }
                logger.warning("reading a topic cannot begin, trying again", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
        }
        return nil
    }

    /// Gives `handler` what the partitions hold and will hold, until cancelled or shut down. Calls `caughtUp` once,
    /// when everything has been handled that was there at the beginning.
    private func read(
        _ partitions: [ReadAhead], caughtUp: @escaping @Sendable () async throws -> Void,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async {
        await cancelWhenGracefulShutdown {
            guard let ends = await self.ends(of: partitions.map(\.slot)) else { return }
            let bells = Set(partitions.map(\.slot.key))
            var partitions = partitions
            /// What the bell of each partition had rung before it was last read to its end.
            var read: [UInt64?] = partitions.map { _ in nil }
            var isCaughtUp = false
            var backOff = BusLimits.handlerBackOffMin
            while !Task.isCancelled {
                let rings = self.doorbell.count(bells)
                do {
                    for index in partitions.indices {
                        if read[index] == self.doorbell.count([partitions[index].slot.key]) { continue }
                        // A partition that grows faster than it is read must not keep the mark from coming.
                        let end = isCaughtUp ? nil : ends[index]
                        read[index] = try await self.drain(&partitions[index], until: end, handler)
                    }
                    if !isCaughtUp {
                        try await caughtUp()
                        isCaughtUp = true
                    }
                    backOff = BusLimits.handlerBackOffMin
                } catch {
                    if Task.isCancelled { break }
                    self.metrics.failed("follow")
                    self.logger.warning(
                        "following a topic failed, trying again",
                        metadata: ["topic": "\(partitions.first?.slot.topic.name ?? "")", "error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, BusLimits.handlerBackOffMax)
                    continue
                }
                // Some of it may have been read ahead, before the bell rang.
                let isRead = zip(partitions, read).allSatisfy { $1 == self.doorbell.count([$0.slot.key]) }
                if !isRead { continue }
                await self.doorbell.wait(bells, since: rings, timeout: BusLimits.idleFetchInterval)
                // Nothing was heard for long: everything is looked at.
                if self.doorbell.count(bells) == rings { read = read.map { _ in nil } }
            }
            for index in partitions.indices { partitions[index].stop() }
        }
    }

    /// - Returns: what the bell had rung when the partition's end was read; `nil` when `end` was reached before it.
    private func drain(
        _ partition: inout ReadAhead, until end: Int64?, _ handler: @Sendable (IncomingRecord) async throws -> Void
    ) async throws -> UInt64? {
        while true {
            let batch = try await partition.next()
            for incoming in batch.records {
                try Task.checkCancellation()
                try await handler(incoming)
                partition.position = incoming.offset + 1
            }
            if !batch.isFull { return batch.rings }
            if let end, partition.position >= end { return nil }
        }
    }
}
