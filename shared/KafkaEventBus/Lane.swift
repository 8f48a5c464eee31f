// SPDX-License-Identifier: Apache-2.0
import EventBus
import Logging
import Synchronization

/// What a lane carries.
enum LaneItem: Sendable {
    case record(IncomingRecord)
    /// A follower has read everything there was.
    case caughtUp

    var bytes: Int {
        // Key and headers come on top, and the value is what makes records large.
        switch self {
        case .record(let incoming): incoming.record.key.utf8.count + (incoming.record.value?.count ?? 0)
        case .caughtUp: 0
        }
    }
}

typealias LaneHandler = @Sendable (LaneItem) async throws -> Void

/// Carries records from a reader's thread to the one task that handles them, in batches and in order.
///
/// A group has a lane for each partition, a follower has one for all. Nothing is locked, and no task made, for each
/// record: the thread and the task meet once for each batch, and otherwise over atomics.
final class Lane: Sendable {
    private struct State {
        var items: [LaneItem] = []
        var reader: CheckedContinuation<Void, Never>?
        var isStopped = false
        var backOff: Task<Void, Never>?
        var worker: Task<Void, Never>?
    }

    let logger: Logger
    /// `nil` outside of groups.
    let group: String?
    let topic: String
    private let metrics = BusMetrics()
    private let wake: @Sendable () -> Void
    private let state = Mutex(State())
    private let stopped = Atomic(false)
    private let finished = Atomic(false)
    private let waitingCount = Atomic(0)
    private let waitingSize = Atomic(0)
    private let handledOffset = Atomic<Int64>(-1)
    private let handledTotal = Atomic(0)
    private let busySince = Atomic<UInt64>(0)
    /// The thread wants to know when no more than this many records wait.
    private let roomWanted = Atomic(-1)

    /// - Parameter wake: called when the thread that fills the lane should look at it.
    init(group: String?, topic: String, logger: Logger, wake: @escaping @Sendable () -> Void) {
        self.group = group
        self.topic = topic
        self.logger = logger
        self.wake = wake
    }

    // MARK: The thread's side

    /// Records handed over and not handled, and the bytes they hold.
    var waiting: (records: Int, bytes: Int) {
        (waitingCount.load(ordering: .relaxed), waitingSize.load(ordering: .relaxed))
    }
    /// The offset after the last record that was handled; negative before the first.
    var handled: Int64 { handledOffset.load(ordering: .acquiring) }
    var isFinished: Bool { finished.load(ordering: .acquiring) }
    /// Since when, on the monotonic clock, the handler has had its current record; 0 when it has none.
    var handlingSince: UInt64 { busySince.load(ordering: .relaxed) }
    /// How many records were handled since this was asked last.
    func takeHandledCount() -> Int { handledTotal.exchange(0, ordering: .relaxed) }

    /// Empties `items` into the lane.
    func push(_ items: inout [LaneItem]) {
        waitingCount.add(items.count, ordering: .relaxed)
        waitingSize.add(items.reduce(0) { $0 + $1.bytes }, ordering: .relaxed)
        let reader = state.withLock { state in
            if state.items.isEmpty { swap(&state.items, &items) } else { state.items += items }
            defer { state.reader = nil }
            return state.reader
        }
        items.removeAll(keepingCapacity: true)
        reader?.resume()
    }

    /// Has the thread woken once no more than `records` wait.
    func wakeWhenDown(to records: Int) {
        roomWanted.store(records, ordering: .sequentiallyConsistent)
        if waitingCount.load(ordering: .sequentiallyConsistent) <= records { wake() }
    }

    // MARK: Life cycle

    /// Has `handler` called for each item, on a task of its own.
    func start(_ handler: @escaping LaneHandler) {
        let worker = Task { await work(handler) }
        state.withLock { $0.worker = worker }
    }

    /// Hands out nothing more. A handler that has a record may finish it.
    func stop() {
        stopped.store(true, ordering: .releasing)
        let (reader, backOff) = state.withLock { state in
            state.isStopped = true
            state.items = []
            defer { state.reader = nil }
            return (state.reader, state.backOff)
        }
        reader?.resume()
        backOff?.cancel()
    }

    /// Asks a handler that does not finish to give up.
    func cancelHandler() { state.withLock { $0.worker }?.cancel() }

    // MARK: The task's side

    /// Handles items until the lane is stopped.
    func work(_ handler: LaneHandler) async {
        while let items = await nextBatch() {
            for item in items {
                guard await handle(item, handler) else { return finish() }
            }
        }
        finish()
    }

    private func finish() {
        busySince.store(0, ordering: .relaxed)
        finished.store(true, ordering: .releasing)
        wake()
    }

    /// - Returns: `nil` when the lane is stopped.
    private func nextBatch() async -> [LaneItem]? {
        while true {
            let (items, isStopped) = state.withLock { state in
                defer { state.items = [] }
                return (state.items, state.isStopped)
            }
            if isStopped { return nil }
            if !items.isEmpty { return items }
            await withCheckedContinuation { continuation in
                let isPast = state.withLock { state in
                    if state.isStopped || !state.items.isEmpty { return true }
                    state.reader = continuation
                    return false
                }
                if isPast { continuation.resume() }
            }
        }
    }

    /// Calls the handler until it returns.
    ///
    /// - Returns: `false` when the lane was stopped before.
    private func handle(_ item: LaneItem, _ handler: LaneHandler) async -> Bool {
        var backOff = KafkaLimits.handlerBackOffMin
        while !stopped.load(ordering: .acquiring) {
            busySince.store(monotonicNanoseconds(), ordering: .relaxed)
            do {
                try await handler(item)
                handled(item)
                return true
            } catch {
                if stopped.load(ordering: .acquiring) { return false }
                failed(error)
                await pause(backOff)
                backOff = min(backOff * 2, KafkaLimits.handlerBackOffMax)
            }
        }
        return false
    }

    private func handled(_ item: LaneItem) {
        if case .record(let incoming) = item {
            handledOffset.store(incoming.offset + 1, ordering: .releasing)
            handledTotal.add(1, ordering: .relaxed)
        }
        busySince.store(0, ordering: .relaxed)
        waitingSize.subtract(item.bytes, ordering: .relaxed)
        let waiting = waitingCount.subtract(1, ordering: .sequentiallyConsistent).newValue
        let wanted = roomWanted.load(ordering: .sequentiallyConsistent)
        if wanted >= 0, waiting <= wanted {
            if roomWanted.exchange(-1, ordering: .relaxed) >= 0 { wake() }
        } else if waiting == 0, group != nil {
            // A group is told at once: what it knows is what nobody handles again.
            wake()
        }
    }

    private func failed(_ error: any Error) {
        if let group { metrics.handlerFailed(group: group, topic: topic) }
        logger.warning(
            "handling failed, trying again",
            metadata: ["group": "\(group ?? "none")", "topic": "\(topic)", "error": "\(error)"])
    }

    /// Waits, unless the lane is stopped meanwhile.
    private func pause(_ duration: Duration) async {
        let sleeping = Task<Void, Never> { try? await Task.sleep(for: duration) }
        let isStopped = state.withLock { state in
            if !state.isStopped { state.backOff = sleeping }
            return state.isStopped
        }
        if isStopped { sleeping.cancel() }
        await sleeping.value
        state.withLock { $0.backOff = nil }
    }
}
