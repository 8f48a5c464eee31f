// SPDX-License-Identifier: Apache-2.0
import Domain
import Messaging
import Synchronization

/// Wakes the streams of an environment when something was written about it.
final class StreamNotifier: Sendable {
    private struct Entry {
        var signal: Signal
        var watchers: Int
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// What `raise` wakes. Every call is paired with one of `unwatch`.
    func watch(_ environment: EnvironmentID) -> Signal {
        entries.withLock { entries in
            var entry = entries[environment.rawValue] ?? Entry(signal: Signal(), watchers: 0)
            entry.watchers += 1
            entries[environment.rawValue] = entry
            return entry.signal
        }
    }

    func unwatch(_ environment: EnvironmentID) {
        entries.withLock { entries in
            guard var entry = entries[environment.rawValue] else { return }
            entry.watchers -= 1
            entries[environment.rawValue] = entry.watchers == 0 ? nil : entry
        }
    }

    /// - Parameter environment: its id, which is the key of everything that is published about it.
    func raise(_ environment: String) {
        entries.withLock { $0[environment]?.signal }?.raise()
    }

    var watched: Int { entries.withLock { $0.count } }
}
