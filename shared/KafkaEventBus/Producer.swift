// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import Glibc
import Logging
import Synchronization

/// Calls of `publish` on their way to the producer's thread.
final class PublishInbox: Sendable {
    private struct State {
        var calls: [PublishCall] = []
        var cancelled: [PublishCall] = []
        var refusal: BusError?
        var reader: ClientControl?
    }

    static let shutDown = BusError("the bus was shut down before everything was published; publish again when it runs")

    private let state = Mutex(State())

    var isEmpty: Bool { state.withLock { $0.calls.isEmpty } }

    func add(_ call: PublishCall) {
        let (refusal, reader) = state.withLock { state in
            if state.refusal == nil { state.calls.append(call) }
            return (state.refusal, state.reader)
        }
        if let refusal { call.end(.failure(refusal)) }
        reader?.wake()
    }

    /// Its publisher does not wait for it any more.
    func cancel(_ call: PublishCall) {
        let reader = state.withLock { state in
            let count = state.calls.count
            state.calls.removeAll { $0 === call }
            guard state.calls.count == count, let reader = state.reader else { return nil as ClientControl? }
            state.cancelled.append(call)
            return reader
        }
        reader?.wake()
    }

    /// Calls that were cancelled after they were taken.
    func takeCancelled() -> [PublishCall] {
        state.withLock { state in
            defer { state.cancelled = [] }
            return state.cancelled
        }
    }

    func take() -> [PublishCall] {
        state.withLock { state in
            defer { state.calls = [] }
            return state.calls
        }
    }

    func putBack(_ calls: [PublishCall]) { state.withLock { $0.calls.insert(contentsOf: calls, at: 0) } }

    /// Names whose thread is woken for new calls.
    func attend(_ reader: ClientControl?) {
        state.withLock { state in
            state.reader = reader
            state.cancelled = []
        }
    }

    /// Ends the calls that wait.
    func fail(_ error: BusError) {
        for call in take() { call.end(.failure(error)) }
    }

    /// Ends the calls that wait, and those to come.
    func refuse(_ error: BusError) {
        state.withLock { $0.refusal = error }
        fail(error)
    }

    func reopen() { state.withLock { $0.refusal = nil } }
}

/// Lends the producer's client to other threads, so that it is not destroyed under them.
final class ClientLease: Sendable {
    // Unchecked: clients of librdkafka may be used from any thread until they are destroyed, which waits for the users.
    private struct State: @unchecked Sendable {
        var client: OpaquePointer?
        var users = 0
    }

    private let state = Mutex(State())

    func offer(_ client: OpaquePointer) {
        let offered = State(client: client)
        state.withLock { $0 = offered }
    }

    /// - Returns: `nil` when there is no client.
    func withClient<Result>(_ body: (OpaquePointer) -> Result) -> Result? {
        let borrowed = state.withLock { state in
            if state.client != nil { state.users += 1 }
            return state
        }
        guard let client = borrowed.client else { return nil }
        defer { state.withLock { $0.users -= 1 } }
        return body(client)
    }

    /// Returns once nobody uses the client any more. Those who do are bounded by `KafkaLimits.probeTimeout`.
    func withdraw() {
        state.withLock { $0.client = nil }
        while state.withLock({ $0.users > 0 }) { usleep(5_000) }
    }
}

/// Whether the topics are as the catalogue has them.
final class Preparation: Sendable {
    private struct State {
        var isDone = false
        var problem: String?
    }

    private let state = Mutex(State())
    private let done = Signal()

    var isDone: Bool { state.withLock { $0.isDone } }
    /// Why topics could not be prepared, or the client not be built.
    var problem: String? { state.withLock { $0.problem } }

    func succeeded() {
        state.withLock { $0 = State(isDone: true) }
        done.raise()
    }

    func failed(_ problem: String) { state.withLock { $0.problem = problem } }
    func isOutdated() { state.withLock { $0.isDone = false } }

    /// Returns when it is done, or when the task is cancelled.
    func wait() async {
        while !Task.isCancelled {
            let count = done.count
            if isDone { return }
            await done.wait(since: count, timeout: KafkaLimits.rebuildBackOffMax)
        }
    }
}

/// Keeps a producer: has the topics prepared first, builds it, and builds it anew when it fails for good.
final class Producer: Sendable {
    private struct State {
        var supervisor: Task<Void, Never>?
        var isStopped = false
    }

    private let cluster: Cluster
    private let state = Mutex(State())
    private let inbox = PublishInbox()
    let preparation = Preparation()
    let lease = ClientLease()

    init(cluster: Cluster) { self.cluster = cluster }

    deinit { state.withLock { $0.supervisor }?.cancel() }

    func publish(_ call: PublishCall) async throws {
        start()
        inbox.add(call)
        do {
            try await call.wait()
        } catch {
            if error is CancellationError { inbox.cancel(call) }
            throw error
        }
    }

    /// Returns when the topics are prepared, or when the task is cancelled.
    func waitUntilPrepared() async {
        start()
        await preparation.wait()
    }

    /// Does nothing when it runs or was stopped.
    func start() {
        state.withLock { state in
            guard state.supervisor == nil, !state.isStopped else { return }
            let supervisor = Supervisor(cluster: cluster, inbox: inbox, lease: lease, preparation: preparation)
            // Not a child of whoever comes first, and without `self`, so that `deinit` can end it.
            state.supervisor = Task { await supervisor.run() }
        }
    }

    /// Undoes `stop`.
    func restart() {
        inbox.reopen()
        state.withLock { $0.isStopped = false }
        start()
    }

    /// Delivers what was handed over, as far as the limit for that allows, and ends. Calls from now on fail.
    func stop() async {
        let supervisor = state.withLock { state in
            defer { state.supervisor = nil }
            state.isStopped = true
            return state.supervisor
        }
        supervisor?.cancel()
        await supervisor?.value
        inbox.refuse(PublishInbox.shutDown)
    }
}

/// The task that keeps the producer's client.
private struct Supervisor: Sendable {
    let cluster: Cluster
    let inbox: PublishInbox
    let lease: ClientLease
    let preparation: Preparation

    func run() async {
        var backOff = KafkaLimits.rebuildBackOffMin
        while !Task.isCancelled {
            let started = ContinuousClock.now
            do {
                if !preparation.isDone {
                    try await cluster.prepare()
                    preparation.succeeded()
                }
                switch try await runClient() {
                case .stopped: return
                case .withdrawn: continue
                case .fatal(let text):
                    BusMetrics().failed("fatal")
                    warn("the bus client failed for good, building it anew", text)
                case .topicsChanged(let text):
                    warn("topics have changed, preparing them anew", text)
                    preparation.isOutdated()
                }
            } catch {
                if Task.isCancelled { return }
                preparation.failed("\(error)")
                // Waiting does not mend a topic.
                if let error = error as? SetupError, error.isLasting { inbox.fail(BusError(error.description)) }
                warn("the bus cannot be prepared, trying again", "\(error)")
            }
            if ContinuousClock.now - started > KafkaLimits.rebuildBackOffMax { backOff = KafkaLimits.rebuildBackOffMin }
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, KafkaLimits.rebuildBackOffMax)
        }
    }

    private func warn(_ message: Logger.Message, _ cause: String) {
        cluster.logger.warning(message, metadata: ["error": "\(cause)"])
    }

    private func runClient() async throws -> ProducerEnd {
        let control = ClientControl()
        inbox.attend(control)
        defer { inbox.attend(nil) }
        return try await withTaskCancellationHandler {
            try await onThread("kafka-producer") { [cluster, inbox, lease] in
                let context = ClientContext(logger: cluster.logger, health: cluster.health)
                return try withExtendedLifetime(context) {
                    try ProducerLoop(
                        cluster: cluster, context: context, control: control, inbox: inbox, lease: lease
                    ).run()
                }
            }
        } onCancel: {
            control.stop()
        }
    }
}
