// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Logging
import ServiceLifecycle
import Synchronization

/// The event bus on any cluster that speaks the Kafka protocol.
///
/// Clients of librdkafka are made when they are needed: a producer by the first of `publish`, `consume`, `follow`,
/// `tail` and `run`, which also prepares the topics; a consumer by each reader. `run` keeps the producer and ends it;
/// where the bus is never run, it ends with the bus. After `run` has returned, publishing fails until it runs again.
public final class KafkaEventBus: EventBus, Sendable {
    let cluster: Cluster
    let producer: Producer
    private let probing = Mutex<Task<String?, Never>?>(nil)

    /// - Parameter prefix: the cloudspace's name; topics and groups of several cloudspaces can share a cluster.
    public init(configuration: KafkaConfiguration, prefix: String, topics: [Topic] = Topic.all, logger: Logger) {
        cluster = Cluster(
            configuration: configuration, prefix: prefix,
            topics: Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) }), logger: logger)
        producer = Producer(cluster: cluster)
    }

    public func prepare() async throws {
        do {
            try await cluster.prepare()
            producer.preparation.succeeded()
        } catch let error as SetupError {
            producer.preparation.failed(error.description)
            throw BusError(error.description)
        }
    }

    /// Prepares the topics and keeps the producer, until cancelled or shut down gracefully. What was handed over is
    /// delivered first, as far as that takes no longer than `KafkaLimits.deliveryAtShutdown`.
    public func run() async throws {
        producer.restart()
        await cancelWhenGracefulShutdown {
            // Not a long sleep: its timer would outlive the cancellation.
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            continuation.finish()
        }
        await producer.stop()
    }

    public func publish(_ records: [Record]) async throws {
        guard !records.isEmpty else { return }
        let partitions = try records.map { Int32(try placement(of: $0, among: cluster.topics).partition) }
        try await producer.publish(PublishCall(records: records, partitions: partitions))
    }

    public func topicPositions() async throws -> [TopicPosition] { try await asking { try await $0.topicPositions() } }

    public func groupPositions() async throws -> [GroupPosition] { try await asking { try await $0.groupPositions() } }

    private func asking<Success>(_ body: (Cluster) async throws -> Success) async throws -> Success {
        do {
            return try await body(cluster)
        } catch let error as SetupError {
            throw BusError(error.description)
        }
    }

    // MARK: Readiness

    public func problem() async -> String? {
        if !producer.preparation.isDone {
            return producer.preparation.problem
                ?? "the topics at \(cluster.configuration.serverList) are not prepared yet"
        }
        if cluster.health.answered(within: KafkaLimits.recently) { return nil }
        // One question at a time: who comes meanwhile waits for its answer.
        let probe = probing.withLock { probing in
            if let probing { return probing }
            let probe = Task {
                defer { self.probing.withLock { $0 = nil } }
                return await self.probe()
            }
            probing = probe
            return probe
        }
        return await probe.value
    }

    private func probe() async -> String? {
        let lease = producer.lease
        let code = try? await onThread("kafka-probe") {
            lease.withClient { client in
                var metadata: UnsafePointer<rd_kafka_metadata>?
                let code = rd_kafka_metadata(client, 0, nil, &metadata, KafkaLimits.probeTimeout.milliseconds)
                if let metadata { rd_kafka_metadata_destroy(metadata) }
                return code
            }
        }
        guard let code = code ?? nil else { return producer.preparation.problem ?? "the bus does not run" }
        if code == RD_KAFKA_RESP_ERR_NO_ERROR {
            cluster.health.answered()
            return nil
        }
        if cluster.health.failure == nil { _ = cluster.health.failed(KafkaFailure(code)) }
        return cluster.health.failure.map { cluster.configuration.explanation(of: $0) }
    }
}
