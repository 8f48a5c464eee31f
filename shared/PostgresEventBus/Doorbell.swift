// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Wakes those who wait for news of a topic. A ring that nobody waits for is remembered by its count.
final class Doorbell: Sendable {
    private struct State {
        var rings: [String: UInt64] = [:]
        var ringsOfAll: UInt64 = 0
        var nextWaiter = 0
        var waiters: [Int: (topics: Set<String>, continuation: CheckedContinuation<Void, Never>)] = [:]
    }

    private let state = Mutex(State())

    /// How often the bell rang for `topics` so far. Take it before looking, give it to `wait` after.
    func count(_ topics: Set<String>) -> UInt64 {
        state.withLock { Self.count(topics, in: $0) }
    }

    private static func count(_ topics: Set<String>, in state: State) -> UInt64 {
        topics.reduce(state.ringsOfAll) { $0 + (state.rings[$1] ?? 0) }
    }

    func ring(_ topic: String) {
        let woken = state.withLock { state in
            state.rings[topic, default: 0] += 1
            let ids = state.waiters.filter { $0.value.topics.contains(topic) }.map(\.key)
            return ids.compactMap { state.waiters.removeValue(forKey: $0)?.continuation }
        }
        for continuation in woken { continuation.resume() }
    }

    func ringAll() {
        let woken = state.withLock { state in
            state.ringsOfAll += 1
            defer { state.waiters = [:] }
            return state.waiters.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    /// Returns at once when the bell rang since `count` was taken; otherwise at the next ring, after `timeout` or on
    /// cancellation.
    func wait(_ topics: Set<String>, since count: UInt64, timeout: Duration) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task {
            try await Task.sleep(for: timeout)
            self.wake(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isPast = state.withLock { state in
                    if Task.isCancelled || Self.count(topics, in: state) != count { return true }
                    state.waiters[id] = (topics, continuation)
                    return false
                }
                if isPast { continuation.resume() }
            }
        } onCancel: {
            wake(id)
        }
        timer.cancel()
    }

    private func wake(_ id: Int) {
        state.withLock { $0.waiters.removeValue(forKey: id)?.continuation }?.resume()
    }
}
