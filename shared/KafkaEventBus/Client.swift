// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Glibc
import Logging
import Synchronization

/// An error as librdkafka tells it. `reason` holds names of brokers and settings, never credentials.
struct KafkaFailure: Error, Sendable, CustomStringConvertible {
    let code: rd_kafka_resp_err_t
    let reason: String

    init(_ code: rd_kafka_resp_err_t, _ reason: String? = nil) {
        self.code = code
        self.reason = reason ?? String(cString: rd_kafka_err2str(code))
    }

    var description: String { "\(reason) (\(String(cString: rd_kafka_err2name(code))))" }
}

/// How the brokers answer, over all clients of a bus.
final class Health: Sendable {
    private struct State {
        var answeredAt: UInt64?
        var failure: KafkaFailure?
    }

    private let state = Mutex(State())

    var failure: KafkaFailure? { state.withLock { $0.failure } }

    func answered() {
        let now = monotonicNanoseconds()
        state.withLock { $0 = State(answeredAt: now, failure: nil) }
    }

    /// - Returns: whether this is news.
    func failed(_ failure: KafkaFailure) -> Bool {
        state.withLock { state in
            defer {
                // Once every broker is down librdkafka says only that; what came before tells why.
                if failure.code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || state.failure == nil {
                    state.failure = failure
                }
                state.answeredAt = nil
            }
            return state.failure == nil
        }
    }

    func answered(within duration: Duration) -> Bool {
        let now = monotonicNanoseconds()
        return state.withLock { state in state.answeredAt.map { now - $0 <= duration.nanoseconds } ?? false }
    }
}

/// What the callbacks of one client work with. It outlives the client.
final class ClientContext: Sendable {
    let logger: Logger
    let health: Health
    let metrics = BusMetrics()
    private let fatalError = Mutex<String?>(nil)
    private let pacing = Mutex(FetchPacing())
    // Unsafe: set before the client exists and called on the client's thread only, inside its poll.
    nonisolated(unsafe) var onRebalance: ((rd_kafka_resp_err_t, OpaqueList) -> Void)?

    typealias OpaqueList = UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(logger: Logger, health: Health) {
        self.logger = logger
        self.health = health
    }

    /// Why the client can do no more and has to be built anew.
    var fatal: String? { fatalError.withLock { $0 } }

    func failed(_ code: rd_kafka_resp_err_t, _ reason: String?, on client: OpaquePointer?) {
        if code == RD_KAFKA_RESP_ERR__FATAL {
            let (_, text) = withErrorText { rd_kafka_fatal_error(client, $0, $1) }
            fatalError.withLock { $0 = text }
            return
        }
        let failure = KafkaFailure(code, reason)
        let isNews = health.failed(failure)
        if isNews { metrics.failed("connect") }
        logger.log(level: isNews ? .warning : .debug, "bus trouble", metadata: ["error": "\(failure)"])
    }

    fileprivate func pause(afterAnswer size: Int, in time: Duration) {
        let pause = pacing.withLock { $0.pause(afterAnswer: size, in: time) }
        if pause > .zero { usleep(UInt32(pause.nanoseconds / 1_000)) }
    }

    fileprivate static func from(_ opaque: UnsafeMutableRawPointer?) -> ClientContext? {
        opaque.map { Unmanaged<ClientContext>.fromOpaque($0).takeUnretainedValue() }
    }
}

enum ClientKind {
    case producer
    /// Fetches records, with `FetchPacing`.
    case reader
    /// Asks about topics and groups.
    case admin
}

/// Creates a client, which calls `context` from its polls; `context` has to outlive it.
///
/// - Throws: `BusError` naming the setting that does not fit. No secret is repeated.
func makeClient(_ kind: ClientKind, settings: [(String, String)], context: ClientContext) throws -> OpaquePointer {
    guard let configuration = rd_kafka_conf_new() else { throw BusError("out of memory") }
    var isTaken = false
    defer { if !isTaken { rd_kafka_conf_destroy(configuration) } }
    for (name, value) in settings {
        let (status, text) = withErrorText { rd_kafka_conf_set(configuration, name, value, $0, $1) }
        guard status == RD_KAFKA_CONF_OK else {
            let isSecret = name.contains("password") || name.hasSuffix(".pem")
            throw BusError("the bus setting \(name) does not fit" + (isSecret ? "" : ": \(text)"))
        }
    }
    rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(context).toOpaque())
    rd_kafka_conf_set_error_cb(configuration) { client, code, reason, opaque in
        ClientContext.from(opaque)?
            .failed(rd_kafka_resp_err_t(rawValue: code), reason.map { String(cString: $0) }, on: client)
    }
    rd_kafka_conf_set_log_cb(configuration) { client, level, facility, text in
        guard let context = ClientContext.from(client.flatMap { rd_kafka_opaque($0) }), let text else { return }
        context.log(level, facility.map { String(cString: $0) } ?? "", String(cString: text))
    }
    if kind == .reader {
        rd_kafka_conf_set_rebalance_cb(configuration) { _, code, partitions, opaque in
            if let partitions { ClientContext.from(opaque)?.onRebalance?(code, partitions) }
        }
    } else if kind == .producer {
        rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR)
        // What was sent and not received goes with the connection. Otherwise the system would go on sending, for
        // minutes, records whose publisher was told that they are not published.
        rd_kafka_conf_set_closesocket_cb(configuration) { descriptor, _ in
            var abort = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
            return close(descriptor)
        }
    }
    if kind == .reader {
        pace(configuration, context)
        // When no client comes of it, librdkafka 2.0 destroys the interceptors and leaves them in the configuration to
        // be destroyed again. Better a few kilobytes lost; an admin's client, the same but for these, came before.
        isTaken = true
    }
    let type = kind == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
    let (client, text) = withErrorText { rd_kafka_new(type, configuration, $0, $1) }
    guard let client else { throw BusError("the bus client cannot be made: \(text)\(settingHint(text))") }
    isTaken = true
    rd_kafka_set_log_queue(client, nil)
    return client
}

/// Has the client look at each answer to a fetch, on the thread that would ask again at once.
private func pace(_ configuration: OpaquePointer, _ context: ClientContext) {
    rd_kafka_conf_interceptor_add_on_new(
        configuration, "pacing",
        { client, _, opaque, _, _ in
            rd_kafka_interceptor_add_on_response_received(
                client, "pacing",
                { _, _, _, _, request, _, _, size, microseconds, _, opaque in
                    if request == FetchPacing.fetchRequest, let context = ClientContext.from(opaque) {
                        context.pause(afterAnswer: size, in: .microseconds(microseconds))
                    }
                    return RD_KAFKA_RESP_ERR_NO_ERROR
                }, opaque)
        }, Unmanaged.passUnretained(context).toOpaque())
}

/// Which of our settings a complaint of librdkafka about one of its own is about.
private func settingHint(_ text: String) -> String {
    let settings = [
        ("ssl.ca.location", "SLIPWAY_BUS_KAFKA_CA"), ("ssl.certificate.location", "SLIPWAY_BUS_KAFKA_CERTIFICATE"),
        ("ssl.key.location", "SLIPWAY_BUS_KAFKA_KEY"), ("sasl.username", "SLIPWAY_BUS_KAFKA_USERNAME"),
        ("sasl.password", "SLIPWAY_BUS_KAFKA_PASSWORD"),
    ]
    return settings.first { text.contains($0.0) }.map { "; check \($0.1)" } ?? ""
}

extension ClientContext {
    /// Librdkafka takes loss of a connection for an error, which it reports beside; only an emergency needs a person.
    fileprivate func log(_ level: Int32, _ facility: String, _ text: String) {
        let ours: Logger.Level = level <= 2 ? .error : level <= 4 ? .info : .debug
        logger.log(level: ours, "librdkafka", metadata: ["facility": "\(facility)", "text": "\(text)"])
    }
}

/// Calls `body` with a buffer for the text of an error, and returns that text beside its result.
func withErrorText<Result>(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Result) -> (Result, String) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
        buffer.initialize(repeating: 0)
        let result = body(buffer.baseAddress, buffer.count)
        return (result, buffer.baseAddress.map { String(cString: $0) } ?? "")
    }
}
