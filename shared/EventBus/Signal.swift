// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Wakes loops when there is work. Raising it while nobody waits is remembered.
///
/// Take `count` before looking for work and hand it to `wait`: a raise in between is then not missed.
public final class Signal: Sendable {
    private struct Waiter {
        let continuation: CheckedContinuation<Void, Never>
        let timer: Task<Void, any Error>
    }

    private struct State {
        var count: UInt64 = 0
        var nextWaiter = 0
        var waiters: [Int: Waiter] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    public var count: UInt64 { state.withLock { $0.count } }

    public func raise() {
        let woken = state.withLock { state in
            state.count += 1
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in woken { resume(waiter) }
    }

    /// Returns at once when raised since `count`; otherwise at the next raise, after `timeout` or on cancellation.
    public func wait(since count: UInt64, timeout: Duration) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isPast = state.withLock { state in
                    if Task.isCancelled || state.count != count { return true }
                    // Made under the lock: a timer that fires at once finds its waiter.
                    let timer = Task {
                        try await Task.sleep(for: timeout)
                        self.wake(id)
                    }
                    state.waiters[id] = Waiter(continuation: continuation, timer: timer)
                    return false
                }
                if isPast { continuation.resume() }
            }
        } onCancel: {
            wake(id)
        }
    }

    private func wake(_ id: Int) {
        if let waiter = state.withLock({ $0.waiters.removeValue(forKey: id) }) { resume(waiter) }
    }

    private func resume(_ waiter: Waiter) {
        waiter.timer.cancel()
        waiter.continuation.resume()
    }
}
