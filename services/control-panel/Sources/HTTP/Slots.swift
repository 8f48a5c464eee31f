// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A bounded number of places.
final class Slots: Sendable {
    private let taken = Mutex(0)
    let limit: Int

    init(_ limit: Int) { self.limit = limit }

    /// `nil` when all places are taken. The place is free again when the last reference to it goes, so that one held
    /// by an answer that is never sent is not lost.
    func take() -> Slot? {
        let isFree = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        return isFree ? Slot(self) : nil
    }

    fileprivate func giveBack() { taken.withLock { $0 -= 1 } }
}

final class Slot: Sendable {
    private let slots: Mutex<Slots?>

    fileprivate init(_ slots: Slots) { self.slots = Mutex(slots) }
    deinit { giveBack() }

    /// Frees the place before the last reference goes. Idempotent.
    func giveBack() {
        slots.withLock { slots in
            slots?.giveBack()
            slots = nil
        }
    }
}
