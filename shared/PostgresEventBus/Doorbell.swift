// SPDX-License-Identifier: Apache-2.0
import EventBus
import Synchronization

/// One `Signal` for each set of names that somebody waits for: ringing a name raises those of the sets that have it.
final class Doorbell: Sendable {
    private let signals = Mutex<[Set<String>: Signal]>([:])

    /// How often the bell rang for `names` so far. Take it before looking, give it to `wait` after.
    func count(_ names: Set<String>) -> UInt64 { signal(names).count }

    func ring(_ name: String) {
        for (names, signal) in signals.withLock({ $0 }) where names.contains(name) { signal.raise() }
    }

    func ringAll() {
        for signal in signals.withLock({ $0 }).values { signal.raise() }
    }

    /// Returns at once when the bell rang since `count` was taken; otherwise at the next ring, after `timeout` or on
    /// cancellation.
    func wait(_ names: Set<String>, since count: UInt64, timeout: Duration) async {
        await signal(names).wait(since: count, timeout: timeout)
    }

    private func signal(_ names: Set<String>) -> Signal {
        signals.withLock { signals in
            if let known = signals[names] { return known }
            let signal = Signal()
            signals[names] = signal
            return signal
        }
    }
}
