// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Domain
import EventBus
import Events
import Logging
import Synchronization

/// A cluster, and what of it belongs to one cloudspace.
struct Cluster: Sendable {
    let configuration: KafkaConfiguration
    let prefix: String
    let topics: [String: Topic]
    let logger: Logger
    let health = Health()

    /// The largest batch: one record of the largest size, with what Kafka adds.
    var batchBytesMax: Int { Limits.eventBytesMax + KafkaLimits.batchOverheadBytes }

    /// The name that a topic or group has in the cluster.
    func stored(_ name: String) -> String { "\(prefix).\(name)" }

    /// Undoes `stored`.
    func plain(_ name: String) -> String { String(name.dropFirst(prefix.utf8.count + 1)) }

    /// Gives `body` a client to ask brokers with, on a thread of its own. Cancelling the task makes it give up.
    func withAdmin<Success: Sendable>(
        _ body: @escaping @Sendable (borrowing AdminSession) throws -> Success
    ) async throws -> Success {
        let control = ClientControl()
        return try await withTaskCancellationHandler {
            try await onThread("kafka-admin") {
                try body(try AdminSession(self, control))
            }
        } onCancel: {
            control.stop()
        }
    }
}

/// A client that lives for a few questions. It is used on one thread, and no call waits longer than it says.
struct AdminSession: ~Copyable {
    let cluster: Cluster
    let client: OpaquePointer
    private let control: ClientControl
    private let context: ClientContext
    /// What went wrong with connections since the session began.
    private let health: Health

    init(_ cluster: Cluster, _ control: ClientControl) throws {
        self.cluster = cluster
        self.control = control
        health = Health()
        context = ClientContext(logger: cluster.logger, health: health)
        // A consumer, since a producer's questions create the topics they are about.
        client = try makeClient(.admin, settings: cluster.configuration.adminSettings, context: context)
    }

    deinit {
        rd_kafka_destroy(client)
        withExtendedLifetime(context) {}
    }

    /// The partitions of those of `names` (as the cluster knows them) that exist.
    func partitionCounts(of names: [String]) throws -> [String: Int] {
        let handles = names.map { rd_kafka_topic_new(client, $0, nil) }
        defer { for case let handle? in handles { rd_kafka_topic_destroy(handle) } }
        return try withMetadata { metadata in
            var counts: [String: Int] = [:]
            for topic in UnsafeBufferPointer(start: metadata.topics, count: Int(metadata.topic_cnt)) {
                let name = String(cString: topic.topic)
                guard names.contains(name) else { continue }
                switch topic.err {
                case RD_KAFKA_RESP_ERR_NO_ERROR: counts[name] = Int(topic.partition_cnt)
                case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: break
                case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
                    throw SetupError("the broker does not let this user see the topic \(name): grant it DESCRIBE there")
                default: throw SetupError("the topic \(name) cannot be looked at: \(KafkaFailure(topic.err))")
                }
            }
            return counts
        }
    }

    /// Asks in slices, so that a refusal of the credentials or of TLS, which librdkafka would go on trying against,
    /// ends the wait.
    private func withMetadata<Result>(_ body: (rd_kafka_metadata) throws -> Result) throws -> Result {
        let deadline = monotonicNanoseconds() + KafkaLimits.adminTimeout.nanoseconds
        while true {
            var metadata: UnsafePointer<rd_kafka_metadata>?
            let code = rd_kafka_metadata(client, 0, nil, &metadata, KafkaLimits.adminSlice.milliseconds)
            if code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata {
                defer { rd_kafka_metadata_destroy(metadata) }
                cluster.health.answered()
                return try body(metadata.pointee)
            }
            rd_kafka_poll(client, 0)
            if control.isStopped { throw CancellationError() }
            if health.failure?.isRefusal == true || monotonicNanoseconds() >= deadline { throw unreachable(code) }
        }
    }

    func unreachable(_ code: rd_kafka_resp_err_t) -> SetupError {
        rd_kafka_poll(client, 0)
        let failure = health.failure ?? KafkaFailure(code)
        _ = cluster.health.failed(failure)
        return SetupError(cluster.configuration.explanation(of: failure))
    }

    /// Makes a request and hands its answer to `body`.
    ///
    /// - Parameter optional: does without an answer that takes longer than this.
    /// - Returns: `nil` when the broker does not know this kind of request.
    func request<Result>(
        _ what: String, _ operation: rd_kafka_admin_op_t, optional: Duration? = nil,
        _ send: (_ options: OpaquePointer?, _ queue: OpaquePointer?) -> Void, _ body: (OpaquePointer) throws -> Result
    ) throws -> Result? {
        let options = rd_kafka_AdminOptions_new(client, operation)
        defer { rd_kafka_AdminOptions_destroy(options) }
        _ = withErrorText {
            rd_kafka_AdminOptions_set_request_timeout(
                options, (optional ?? KafkaLimits.adminTimeout).milliseconds, $0, $1)
        }
        let queue = rd_kafka_queue_new(client)
        defer { rd_kafka_queue_destroy(queue) }
        send(options, queue)
        let deadline = monotonicNanoseconds() + KafkaLimits.adminTimeout.nanoseconds * 2
        while monotonicNanoseconds() < deadline {
            if control.isStopped { throw CancellationError() }
            guard let event = rd_kafka_queue_poll(queue, KafkaLimits.adminSlice.milliseconds) else { continue }
            defer { rd_kafka_event_destroy(event) }
            let code = rd_kafka_event_error(event)
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return try body(event)
            case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return nil
            case RD_KAFKA_RESP_ERR__TIMED_OUT where optional != nil: return nil
            case RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT: throw unreachable(code)
            default:
                let reason = rd_kafka_event_error_string(event).map { String(cString: $0) }
                throw SetupError("\(what): \(KafkaFailure(code, reason))")
            }
        }
        throw unreachable(RD_KAFKA_RESP_ERR__TIMED_OUT)
    }

    func pause() throws {
        rd_kafka_poll(client, KafkaLimits.adminSlice.milliseconds)
        if control.isStopped { throw CancellationError() }
    }
}

/// Why the cluster cannot be used as it is.
struct SetupError: Error, Sendable, CustomStringConvertible {
    let description: String
    /// Whether somebody has to change something about a topic before it can work.
    var isLasting = false

    init(_ description: String, isLasting: Bool = false) {
        self.description = description
        self.isLasting = isLasting
    }
}
