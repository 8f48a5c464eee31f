// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import FoundationEssentials

/// Why a producer's thread ended.
enum ProducerEnd: Sendable {
    case stopped
    /// The client is unusable; a new one goes on.
    case fatal(String)
    /// Records of a call that was cancelled were with librdkafka, which takes nothing back but all of it.
    case withdrawn
    /// A topic is not what it was when it was prepared.
    case topicsChanged(String)
}

/// The life of one producer, on its thread: created, used and destroyed there.
final class ProducerLoop {
    private struct HandOver {
        let call: PublishCall
        let slot: Int
        var next = 0
    }

    private let client: OpaquePointer
    private let queue: OpaquePointer?
    private let context: ClientContext
    private let control: ClientControl
    private let inbox: PublishInbox
    private let lease: ClientLease
    private let prefix: String
    private var topics: [String: OpaquePointer] = [:]
    private var ledger = DeliveryLedger<PublishCall>()
    /// Calls in the order they came; those before `begun` are with librdkafka, or over.
    private var calls: [PublishCall] = []
    private var begun = 0
    private var current: HandOver?
    private var end: ProducerEnd?

    init(
        cluster: Cluster, context: ClientContext, control: ClientControl, inbox: PublishInbox, lease: ClientLease
    ) throws {
        let settings = cluster.configuration.producerSettings(batchBytesMax: cluster.batchBytesMax)
        client = try makeClient(.producer, settings: settings, context: context)
        queue = rd_kafka_queue_get_main(client)
        self.context = context
        self.control = control
        self.inbox = inbox
        self.lease = lease
        prefix = cluster.prefix
        // Asks for their metadata now, which the first record on a topic would have to wait for.
        for name in cluster.topics.keys { topics[name] = rd_kafka_topic_new(client, cluster.stored(name), nil) }
        if let queue { control.attach([queue]) }
        lease.offer(client)
    }

    /// Publishes until it is stopped or cannot go on. Calls that were not begun are back in the inbox then; all others
    /// have ended.
    func run() -> ProducerEnd {
        var deadline: UInt64?
        while true {
            if begun == calls.count {
                calls = inbox.take()
                begun = 0
            }
            let isBusy = handOver()
            poll(wait: isBusy ? .zero : control.isStopped ? KafkaLimits.adminSlice : KafkaLimits.pollTimeout)
            if let fatal = context.fatal { end = .fatal(fatal) }
            withdrawCancelled()
            if let end {
                close(end)
                return end
            }
            if control.isStopped {
                let now = monotonicNanoseconds()
                let limit = deadline ?? now + KafkaLimits.deliveryAtShutdown.nanoseconds
                deadline = limit
                let isDone = begun == calls.count && current == nil && ledger.undelivered == 0 && inbox.isEmpty
                if isDone || now >= limit { end = .stopped }
            }
        }
    }

    // MARK: Handing over

    /// - Returns: whether there is more that can be handed over at once.
    private func handOver() -> Bool {
        var budget = KafkaLimits.produceSlice
        while budget > 0, end == nil {
            guard var handOver = current ?? nextCall() else { return false }
            current = handOver
            if handOver.call.hasEnded {
                finishCurrent(BusError("cancelled"))
                continue
            }
            let records = handOver.call.records
            var code = RD_KAFKA_RESP_ERR_NO_ERROR
            while handOver.next < records.count, budget > 0 {
                let partition = handOver.call.partitions[handOver.next]
                code = produce(records[handOver.next], partition: partition, slot: handOver.slot)
                if code != RD_KAFKA_RESP_ERR_NO_ERROR { break }
                ledger.handedOver(handOver.slot)
                handOver.next += 1
                budget -= 1
            }
            current = handOver
            if code == RD_KAFKA_RESP_ERR__QUEUE_FULL {
                // Delivery reports make room, and end the wait for it.
                return false
            } else if code != RD_KAFKA_RESP_ERR_NO_ERROR {
                let partition = handOver.call.partitions[handOver.next]
                finishCurrent(failure(code, topic: records[handOver.next].topic, partition: partition))
            } else if handOver.next == records.count {
                finishCurrent(nil)
            }
        }
        return end == nil
    }

    private func nextCall() -> HandOver? {
        guard begun < calls.count else { return nil }
        defer { begun += 1 }
        return HandOver(call: calls[begun], slot: ledger.open(calls[begun]))
    }

    /// No more records of the current call are handed over.
    private func finishCurrent(_ failure: BusError?) {
        if let current { settle(ledger.close(current.slot, failure: failure)) }
        current = nil
    }

    private func settle(_ ended: (call: PublishCall, failure: BusError?)?) {
        guard let ended else { return }
        if let failure = ended.failure {
            ended.call.end(.failure(failure))
        } else {
            count(ended.call.records)
            ended.call.end(.success(()))
        }
    }

    private func count(_ records: [Record]) {
        var start = 0
        for index in records.indices.dropFirst() where records[index].topic != records[start].topic {
            context.metrics.published(index - start, topic: records[start].topic)
            start = index
        }
        context.metrics.published(records.count - start, topic: records[start].topic)
    }

    private func produce(_ record: Record, partition: Int32, slot: Int) -> rd_kafka_resp_err_t {
        guard let topic = topics[record.topic] else { return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC }
        var headers: OpaquePointer?
        if !record.headers.isEmpty {
            headers = rd_kafka_headers_new(record.headers.count)
            record.headers.forEachEntry { name, value in
                rd_kafka_header_add(
                    headers, (name.baseAddress ?? emptyAddress).assumingMemoryBound(to: CChar.self), name.count,
                    value.baseAddress, value.count)
            }
        }
        var key = record.key
        let code = key.withUTF8 { key in
            withPayload(record.value) { value in
                crdkafka_produce(
                    client, topic, partition, UnsafeRawPointer(key.baseAddress) ?? emptyAddress, key.count,
                    value?.baseAddress, value?.count ?? 0, headers, UInt(bitPattern: slot))
            }
        }
        // On failure they are still ours.
        if code != RD_KAFKA_RESP_ERR_NO_ERROR, let headers { rd_kafka_headers_destroy(headers) }
        return code
    }

    /// Keeps what nobody waits for any more from being published later: its publisher may have lost the right to
    /// write that key to another, whose newer value it would replace.
    private func withdrawCancelled() {
        for call in inbox.takeCancelled() where ledger.calls.contains(where: { $0 === call }) {
            end = end ?? .withdrawn
        }
    }

    // MARK: Delivery

    private func poll(wait: Duration) {
        var wait = wait.milliseconds
        while let event = rd_kafka_queue_poll(queue, wait) {
            if rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR { takeReports(event) }
            rd_kafka_event_destroy(event)
            wait = 0
        }
    }

    private func takeReports(_ event: OpaquePointer) {
        var isAnswer = false
        while let message = rd_kafka_event_message_next(event) {
            let slot = Int(bitPattern: message.pointee._private)
            let code = message.pointee.err
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                isAnswer = true
                settle(ledger.reported(slot, failure: nil))
            } else {
                let topic = String(cString: rd_kafka_topic_name(message.pointee.rkt)).dropFirst(prefix.utf8.count + 1)
                let error = failure(code, topic: String(topic), partition: message.pointee.partition)
                settle(ledger.reported(slot, failure: error))
            }
        }
        if isAnswer { context.health.answered() }
    }

    /// What a record's failure means to its publisher, and to this client.
    private func failure(_ code: rd_kafka_resp_err_t, topic: String, partition: Int32) -> BusError {
        context.metrics.failed("publish")
        let name = "\(prefix).\(topic)"
        switch code {
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            let text = "the topic \(name) has no partition \(partition) any more: it has fewer than are configured"
            end = end ?? .topicsChanged(text)
            return BusError("\(text); publish again once it has as many")
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
            let text = "the topic \(name) is gone"
            end = end ?? .topicsChanged(text)
            return BusError("\(text) and will be created again; publish again")
        case RD_KAFKA_RESP_ERR__FATAL:
            end = end ?? .fatal(context.fatal ?? "unusable")
            return Self.rebuilding
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            return BusError("the broker does not let this user write to the topic \(name): grant it WRITE there")
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            return BusError("the broker does not let this user write idempotently: grant it IDEMPOTENT_WRITE")
        default:
            let (fatal, text) = withErrorText { rd_kafka_fatal_error(client, $0, $1) }
            guard fatal == RD_KAFKA_RESP_ERR_NO_ERROR else {
                end = end ?? .fatal(text)
                return Self.rebuilding
            }
            return BusError("a record on \(name) was not published: \(KafkaFailure(code)); publish again")
        }
    }

    private static let rebuilding = BusError("the connection to the bus had to be built anew; publish again")

    // MARK: The end

    private func close(_ end: ProducerEnd) {
        let failure =
            switch end {
            case .stopped: PublishInbox.shutDown
            case .fatal, .withdrawn: Self.rebuilding
            case .topicsChanged(let text): BusError("\(text); publish again")
            }
        for call in ledger.calls { call.end(.failure(failure)) }
        inbox.putBack(Array(calls[begun...]))
        lease.withdraw()
        control.detach()
        for topic in topics.values { rd_kafka_topic_destroy(topic) }
        rd_kafka_queue_destroy(queue)
        rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        rd_kafka_destroy(client)
    }
}

/// The address of what is empty but there: librdkafka takes none to mean that there is no key or value.
nonisolated(unsafe) private let emptyAddress = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))

private func withPayload<Result>(_ value: Data?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
    guard let value else { return body(nil) }
    guard !value.isEmpty else { return body(UnsafeRawBufferPointer(start: emptyAddress, count: 0)) }
    return value.withUnsafeBytes { body($0) }
}
