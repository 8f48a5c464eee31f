// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import Synchronization

/// Handles the records of one partition, one after another, for the member of the group that holds it.
final class PartitionWorker: Sendable {
    private struct State {
        /// Of the first record that has not been handled.
        var next: Int64
        /// When the record that is being handled was begun.
        var began: ContinuousClock.Instant?
        var isStopping = false
        var isAborted = false
        var hasEnded = false
        var work: Task<Void, Never>?
        var handling: Task<Void, any Error>?
    }

    let slot: Slot
    private let member: GroupMember
    private let epoch: Int64
    private let state: Mutex<State>
    /// Only touched by the worker's own tasks, of which one runs at a time.
    private let committed: Mutex<(offset: Int64, at: ContinuousClock.Instant)>

    init(_ member: GroupMember, _ slot: Slot, from offset: Int64, epoch: Int64) {
        self.member = member
        self.slot = slot
        self.epoch = epoch
        state = Mutex(State(next: offset))
        committed = Mutex((offset, .now))
    }

    private var bus: PostgresEventBus { member.bus }
    var hasEnded: Bool { state.withLock { $0.hasEnded } }
    var progress: (next: Int64, began: ContinuousClock.Instant?) { state.withLock { ($0.next, $0.began) } }

    /// - Parameter ended: called when no handler runs any more and what was handled has been committed.
    func start(ended: @escaping @Sendable () -> Void) {
        let work = Task {
            await run()
            state.withLock { $0.hasEnded = true }
            ended()
        }
        let isStopping = state.withLock { state in
            state.work = work
            return state.isStopping
        }
        if isStopping { work.cancel() }
    }

    /// Lets the handler that runs finish, then ends.
    func stop() { end(isAborting: false) }

    /// Cancels the handler that runs and ends.
    func abort() { end(isAborting: true) }

    private func end(isAborting: Bool) {
        let (work, handling) = state.withLock { state in
            state.isStopping = true
            if isAborting { state.isAborted = true }
            return (state.work, isAborting ? state.handling : nil)
        }
        // Ends the waits between batches; handlers are in a task that this does not cancel.
        work?.cancel()
        handling?.cancel()
    }

    func ended() async { await state.withLock { $0.work }?.value }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func run() async {
        var reading = ReadAhead(bus, slot, from: state.withLock { $0.next })
        var backOff = BusLimits.handlerBackOffMin
        while !isStopping {
            let rings: UInt64
            do {
                let batch = try await reading.next()
                if !batch.records.isEmpty {
                    let result = await handle(batch.records)
                    reading.position = state.withLock { $0.next }
                    try await commit()
                    try result.get()
                    backOff = BusLimits.handlerBackOffMin
                }
                if batch.isFull { continue }
                // The batch may have been read long ago, while the one before it was handled.
                rings = batch.rings
            } catch is GroupMember.Fenced {
                bus.logger.notice("partition was taken over", metadata: labels)
                break
            } catch {
                if isStopping { break }
                bus.logger.warning(
                    "handling failed, trying again",
                    metadata: labels.merging(["error": "\(error)"]) { $1 })
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, BusLimits.handlerBackOffMax)
                continue
            }
            await bus.doorbell.wait([slot.key], since: rings, timeout: BusLimits.idleFetchInterval)
        }
        reading.stop()
    }

    private var labels: Logger.Metadata {
        ["group": "\(member.group)", "topic": "\(slot.topic.name)", "partition": "\(slot.partition)"]
    }

    private func handle(_ records: [IncomingRecord]) async -> Result<Void, any Error> {
        let handling = Task { try await handleEach(records) }
        let isAborted = state.withLock { state in
            state.handling = handling
            return state.isAborted
        }
        if isAborted { handling.cancel() }
        return await handling.result
    }

    private func handleEach(_ records: [IncomingRecord]) async throws {
        var handled = 0
        defer { bus.metrics.handled(handled, group: member.group, topic: slot.topic.name) }
        for incoming in records {
            let mayBegin = member.isHeld
            let isBegun = state.withLock { state in
                guard mayBegin, !state.isStopping else { return false }
                state.began = .now
                return true
            }
            if !isBegun { return }
            do {
                try await member.handler(incoming)
            } catch {
                state.withLock { $0.began = nil }
                bus.metrics.handlerFailed(group: member.group, topic: slot.topic.name)
                throw error
            }
            state.withLock { state in
                state.next = incoming.offset + 1
                state.began = nil
            }
            handled += 1
            let isDue = committed.withLock { ContinuousClock.now - $0.at >= BusLimits.commitInterval }
            if isDue { try await commit() }
        }
    }

    private func commit() async throws {
        let next = state.withLock { $0.next }
        guard committed.withLock({ $0.offset < next }) else { return }
        try await member.commit(slot, next, epoch: epoch)
        committed.withLock { $0 = (next, .now) }
    }
}
