// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Logging
import ServiceLifecycle

extension KafkaEventBus {
    public func consume(
        group: String, topics: [Topic], handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        try checkKnown(topics)
        await cancelWhenGracefulShutdown {
            await self.producer.waitUntilPrepared()
            await self.keepReading(
                .group(group, topics: topics.map(\.name), handler: LaneHandler(record: handler)), ClientControl.init)
        }
    }

    public func follow(
        _ topic: Topic, partitionKey: String?, handler: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws {
        precondition(topic.kind == .state, "only state topics can be followed")
        try checkKnown([topic])
        let partitions =
            partitionKey.map { [Int32(partition(ofKey: $0, count: topic.partitions))] }
            ?? Array(0..<Int32(topic.partitions))
        let start = partitions.map { (Slot(topic: topic.name, partition: $0), Int64(RD_KAFKA_OFFSET_BEGINNING)) }
        await cancelWhenGracefulShutdown {
            await self.producer.waitUntilPrepared()
            await self.read(
                Dictionary(uniqueKeysWithValues: start), of: topic.name, marksEnd: true,
                LaneHandler(
                    record: { try await handler(.record($0.record)) }, caughtUp: { try await handler(.caughtUp) }))
        }
    }

    public func tail(
        _ topics: [Topic], started: @escaping @Sendable () -> Void,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        try checkKnown(topics)
        await cancelWhenGracefulShutdown {
            await self.producer.waitUntilPrepared()
            guard let ends = await self.ends(of: topics) else { return }
            started()
            let names = topics.map(\.name).joined(separator: ",")
            await self.read(ends, of: names, marksEnd: false, LaneHandler(record: handler))
        }
    }

    private func checkKnown(_ topics: [Topic]) throws {
        for topic in topics where cluster.topics[topic.name] == nil { throw BusError("unknown topic \(topic.name)") }
    }

    /// - Returns: `nil` when cancelled.
    private func ends(of topics: [Topic]) async -> [Slot: Int64]? {
        var backOff = KafkaLimits.rebuildBackOffMin
        while !Task.isCancelled {
            do {
                return try await cluster.ends(of: topics)
            } catch {
                if Task.isCancelled { return nil }
                cluster.logger.warning(
                    "the ends of topics are not known, asking again", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, KafkaLimits.rebuildBackOffMax)
        }
        return nil
    }

    /// Reads partitions outside of any group, with one handler for all, until cancelled.
    private func read(_ start: [Slot: Int64], of topic: String, marksEnd: Bool, _ handler: LaneHandler) async {
        let control = CurrentControl()
        let lane = Lane(group: nil, topic: topic, logger: cluster.logger) { control.wake() }
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { tasks in
                tasks.addTask { await lane.work(handler) }
                tasks.addTask {
                    await self.keepReading(.assigned(Positions(start), lane, marksEnd: marksEnd), control.renew)
                }
            }
        } onCancel: {
            lane.stop()
        }
    }

    /// Reads until cancelled, with a new client whenever one fails for good.
    private func keepReading(_ plan: ReadingPlan, _ makeControl: @Sendable () -> ClientControl) async {
        var backOff = KafkaLimits.rebuildBackOffMin
        while !Task.isCancelled {
            let began = ContinuousClock.now
            do {
                try await runReader(plan, makeControl())
            } catch {
                if Task.isCancelled { return }
                BusMetrics().failed("fatal")
                cluster.logger.warning("a reader failed for good, building it anew", metadata: ["error": "\(error)"])
                if ContinuousClock.now - began > KafkaLimits.rebuildBackOffMax {
                    backOff = KafkaLimits.rebuildBackOffMin
                }
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, KafkaLimits.rebuildBackOffMax)
            }
        }
    }

    private func runReader(_ plan: ReadingPlan, _ control: ClientControl) async throws {
        try await withTaskCancellationHandler {
            try await onThread("kafka-reader") { [cluster] in
                let context = ClientContext(logger: cluster.logger, health: cluster.health)
                try withExtendedLifetime(context) {
                    let loop = try ReaderLoop(plan: plan, cluster: cluster, context: context, control: control)
                    try loop.run()
                }
            }
        } onCancel: {
            control.stop()
        }
    }
}
