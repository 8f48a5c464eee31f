// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Synchronization

/// One call of `publish`: one continuation for all its records.
///
/// It ends once, by whatever comes first: the last delivery report, a failure, cancellation.
final class PublishCall: Sendable {
    private enum State {
        case waiting
        case armed(CheckedContinuation<Void, any Error>)
        case ended(Result<Void, any Error>)
    }

    let records: [Record]
    /// The partition of each record.
    let partitions: [Int32]
    private let state = Mutex(State.waiting)

    init(records: [Record], partitions: [Int32]) {
        self.records = records
        self.partitions = partitions
    }

    var hasEnded: Bool {
        state.withLock { state in
            if case .ended = state { true } else { false }
        }
    }

    func end(_ result: Result<Void, any Error>) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            switch state {
            case .waiting:
                state = .ended(result)
                return nil
            case .armed(let continuation):
                state = .ended(result)
                return continuation
            case .ended:
                return nil
            }
        }
        continuation?.resume(with: result)
    }

    func wait() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state -> Result<Void, any Error>? in
                    if case .ended(let result) = state { return result }
                    state = .armed(continuation)
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            end(.failure(CancellationError()))
        }
    }
}

/// The calls whose records are with librdkafka, and how far each has come. A value: it decides, others act.
///
/// A call's slot is what its records carry as their opaque, and comes back with each delivery report.
struct DeliveryLedger<Call> {
    private struct Entry {
        let call: Call
        var undelivered: Int
        var isHandedOver = false
        var failure: BusError?
    }

    private var entries: [Entry?] = []
    private var free: [Int] = []
    /// Records handed over and not reported on.
    private(set) var undelivered = 0

    var calls: [Call] { entries.compactMap { $0?.call } }

    /// Begins to account for `call`.
    mutating func open(_ call: Call) -> Int {
        let entry = Entry(call: call, undelivered: 0)
        if let slot = free.popLast() {
            entries[slot] = entry
            return slot
        }
        entries.append(entry)
        return entries.count - 1
    }

    /// A record of the call was handed over.
    mutating func handedOver(_ slot: Int) {
        entries[slot]?.undelivered += 1
        undelivered += 1
    }

    /// No more records of the call will be handed over; `failure` tells why, where not all of them were.
    ///
    /// - Returns: the call and its failure when it is over.
    mutating func close(_ slot: Int, failure: BusError? = nil) -> (call: Call, failure: BusError?)? {
        entries[slot]?.isHandedOver = true
        if let failure { entries[slot]?.failure = failure }
        return settle(slot)
    }

    /// One record of the call was delivered, or never will be.
    ///
    /// - Returns: the call and its failure when it is over. `nil` also for a slot that is not in use.
    mutating func reported(_ slot: Int, failure: BusError?) -> (call: Call, failure: BusError?)? {
        guard entries.indices.contains(slot), let entry = entries[slot], entry.undelivered > 0 else { return nil }
        entries[slot]?.undelivered -= 1
        undelivered -= 1
        if let failure, entry.failure == nil { entries[slot]?.failure = failure }
        return entry.undelivered == 1 ? settle(slot) : nil
    }

    private mutating func settle(_ slot: Int) -> (call: Call, failure: BusError?)? {
        guard let entry = entries[slot], entry.isHandedOver, entry.undelivered == 0 else { return nil }
        entries[slot] = nil
        free.append(slot)
        return (entry.call, entry.failure)
    }
}
