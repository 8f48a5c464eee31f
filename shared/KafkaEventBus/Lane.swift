// SPDX-License-Identifier: Apache-2.0
import EventBus
import Glibc
import Logging
import Synchronization

/// What a lane's task calls. Two closures, so that those who read nothing but records need none around theirs.
struct LaneHandler: Sendable {
    let record: @Sendable (IncomingRecord) async throws -> Void
    var caughtUp: @Sendable () async throws -> Void = {}
}

/// Carries records from a reader's thread to the one task that handles them, in batches and in order.
///
/// A group has a lane for each partition, a follower has one for all. Nothing is locked, and no task made, for each
/// record: the thread and the task meet once for each batch, and otherwise over atomics.
final class Lane: Sendable {
    private struct State {
        var batches: [LaneBatch] = []
        /// The batch that the task is at.
        var current: LaneBatch?
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
    /// The task may be reading a message of librdkafka.
    private let taking = Atomic(false)
    // Each is written by one side only, so that no record needs more than one locked instruction.
    private let pushedCount = Atomic(0)
    private let pushedSize = Atomic(0)
    private let reportedCount = Atomic(0)
    private let handledCount = Atomic(0)
    private let handledSize = Atomic(0)
    private let handledOffset = Atomic<Int64>(-1)
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
        (
            pushedCount.load(ordering: .relaxed) - handledCount.load(ordering: .sequentiallyConsistent),
            pushedSize.load(ordering: .relaxed) - handledSize.load(ordering: .relaxed)
        )
    }
    /// The offset after the last record that was handled; negative before the first.
    var handled: Int64 { handledOffset.load(ordering: .acquiring) }
    var isFinished: Bool { finished.load(ordering: .acquiring) }
    /// How many records were handled since this was asked last.
    func takeHandledCount() -> Int {
        let handled = handledCount.load(ordering: .relaxed)
        defer { reportedCount.store(handled, ordering: .relaxed) }
        return handled - reportedCount.load(ordering: .relaxed)
    }

    func push(_ batch: LaneBatch) {
        pushedCount.store(pushedCount.load(ordering: .relaxed) + batch.count, ordering: .relaxed)
        pushedSize.store(pushedSize.load(ordering: .relaxed) + batch.bytes, ordering: .relaxed)
        let reader = state.withLock { state in
            if state.isStopped { batch.discard() } else { state.batches.append(batch) }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Keeps what waits as copies, which hold no memory but their own.
    func copyWaiting() {
        state.withLock { state in
            state.batches = state.batches.map { $0.isHeld ? $0.copyRest() : $0 }
            if let current = state.current, current.isHeld { state.batches.insert(current.copyRest(), at: 0) }
        }
    }

    /// Leaves librdkafka nothing to wait for: its client is about to be destroyed. What waits is kept.
    func detach() {
        copyWaiting()
        finishTaking()
    }

    /// Waits for the task to be done with the message that it is at. That takes it no longer than a copy.
    func finishTaking() {
        while taking.load(ordering: .sequentiallyConsistent) { sched_yield() }
    }

    /// Has the thread woken once no more than `records` wait.
    func wakeWhenDown(to records: Int) {
        roomWanted.store(records, ordering: .sequentiallyConsistent)
        if waiting.records <= records { wake() }
    }

    // MARK: Life cycle

    /// Has `handler` called for each item, on a task of its own.
    func start(_ handler: LaneHandler) {
        let worker = Task { await work(handler) }
        state.withLock { $0.worker = worker }
    }

    /// Hands out nothing more. A handler that has a record may finish it.
    func stop() {
        stopped.store(true, ordering: .releasing)
        let (reader, backOff) = state.withLock { state in
            state.isStopped = true
            state.current?.discard()
            for batch in state.batches { batch.discard() }
            state.batches = []
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
        while let batch = await nextBatch() {
            while let item = take(from: batch) {
                do {
                    try await call(handler, item)
                } catch {
                    guard await retry(item, handler, after: error) else { return finish() }
                }
                handled(item)
            }
        }
        finish()
    }

    private func take(from batch: LaneBatch) -> LaneItem? {
        // Before it looks, so that whoever has emptied the batch sees it.
        taking.store(true, ordering: .sequentiallyConsistent)
        defer { taking.store(false, ordering: .releasing) }
        return batch.take()
    }

    private func finish() {
        finished.store(true, ordering: .releasing)
        wake()
    }

    /// - Returns: `nil` when the lane is stopped.
    private func nextBatch() async -> LaneBatch? {
        while true {
            let (batch, isStopped) = state.withLock { state in
                state.current = state.batches.isEmpty ? nil : state.batches.removeFirst()
                return (state.current, state.isStopped)
            }
            if isStopped { return nil }
            if let batch { return batch }
            await withCheckedContinuation { continuation in
                let isPast = state.withLock { state in
                    if state.isStopped || !state.batches.isEmpty { return true }
                    state.reader = continuation
                    return false
                }
                if isPast { continuation.resume() }
            }
        }
    }

    @inline(__always)
    private func call(_ handler: LaneHandler, _ item: LaneItem) async throws {
        switch item {
        case .record(let incoming, _): try await handler.record(incoming)
        case .caughtUp: try await handler.caughtUp()
        }
    }

    /// Calls the handler again until it returns.
    ///
    /// - Returns: `false` when the lane was stopped before.
    private func retry(_ item: LaneItem, _ handler: LaneHandler, after error: any Error) async -> Bool {
        var error = error
        var backOff = KafkaLimits.handlerBackOffMin
        while !stopped.load(ordering: .acquiring) {
            failed(error)
            await pause(backOff)
            backOff = min(backOff * 2, KafkaLimits.handlerBackOffMax)
            if stopped.load(ordering: .acquiring) { break }
            do {
                try await call(handler, item)
                return true
            } catch let anew {
                error = anew
            }
        }
        return false
    }

    private func handled(_ item: LaneItem) {
        if case .record(let incoming, _) = item { handledOffset.store(incoming.offset + 1, ordering: .releasing) }
        handledSize.store(handledSize.load(ordering: .relaxed) + item.bytes, ordering: .relaxed)
        let handled = handledCount.load(ordering: .relaxed) + 1
        handledCount.store(handled, ordering: .sequentiallyConsistent)
        let waiting = pushedCount.load(ordering: .relaxed) - handled
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
