// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Synchronization

/// Wakes the streams of an environment or organisation when something was written about it.
final class StreamNotifier: Sendable {
    private struct Entry {
        var signal: Signal
        var watchers: Int
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// What `raise` wakes. Every call is paired with one of `unwatch`.
    func watch<Kind>(_ id: Identifier<Kind>) -> Signal {
        entries.withLock { entries in
            var entry = entries[id.rawValue] ?? Entry(signal: Signal(), watchers: 0)
            entry.watchers += 1
            entries[id.rawValue] = entry
            return entry.signal
        }
    }

    func unwatch<Kind>(_ id: Identifier<Kind>) {
        entries.withLock { entries in
            guard var entry = entries[id.rawValue] else { return }
            entry.watchers -= 1
            entries[id.rawValue] = entry.watchers == 0 ? nil : entry
        }
    }

    /// - Parameter id: an environment's is the key of everything that is published about it.
    func raise(_ id: String) {
        entries.withLock { $0[id]?.signal }?.raise()
    }

    var watched: Int { entries.withLock { $0.count } }
}
