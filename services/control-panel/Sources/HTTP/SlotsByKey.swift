// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A bounded number of places for each key.
final class SlotsByKey: Sendable {
    /// Weak: a key with no place taken is forgotten at the next look.
    private struct Entry {
        weak var slots: Slots?
    }

    private let entries = Mutex<[String: Entry]>([:])
    let limit: Int

    init(_ limit: Int) { self.limit = limit }

    /// `nil` when all places of `key` are taken.
    func take(_ key: String) -> Slot? {
        let slots = entries.withLock { entries in
            if let slots = entries[key]?.slots { return slots }
            entries = entries.filter { $0.value.slots != nil }
            let slots = Slots(limit)
            entries[key] = Entry(slots: slots)
            return slots
        }
        return slots.take()
    }
}
