// SPDX-License-Identifier: Apache-2.0

/// Hosts by how much they have left of one resource: for each step of a scale, the set of those that have at least
/// that much. A step is a fifth to a quarter above the one below, so that sets leave few hosts to be looked at singly.
struct Thresholds: Equatable, Sendable {
    private static let stepsPerDoubling = 4
    /// Of the largest `Int`.
    static let stepMax = step(of: .max)

    /// By step; every host is at step 0, so that its set is not kept.
    private var atLeast = Array(repeating: HostSet(), count: stepMax + 2)
    private var counts = Array(repeating: 0, count: stepMax + 2)

    /// Never less for a larger amount. 0 is for nothing at all, or less.
    static func step(of amount: Int) -> Int {
        guard amount > 0 else { return 0 }
        let doublings = Int.bitWidth - 1 - amount.leadingZeroBitCount
        // The two bits behind the leading one.
        let quarter = (doublings >= 2 ? amount >> (doublings - 2) : amount << (2 - doublings)) & 3
        return 1 + doublings * stepsPerDoubling + quarter
    }

    mutating func move(_ slot: Int, from old: Int, to new: Int) {
        var step = Self.step(of: old)
        let target = Self.step(of: new)
        while step < target {
            step += 1
            atLeast[step].insert(slot)
            counts[step] += 1
        }
        while step > target {
            atLeast[step].remove(slot)
            counts[step] -= 1
            step -= 1
        }
    }

    /// Takes out the hosts that have less than the step of `amount`. Those that are left can lack less than a step.
    func narrow(_ hosts: inout HostSet, to amount: Int) {
        if amount > 0 { hosts.formIntersection(atLeast[Self.step(of: amount)]) }
    }

    /// Of `hosts`, those that are at this step and no higher.
    func select(_ hosts: HostSet, at step: Int) -> HostSet? {
        if step > 0, counts[step] == counts[step + 1] { return nil }
        var selected = hosts
        if step > 0 { selected.formIntersection(atLeast[step]) }
        selected.subtract(atLeast[step + 1])
        return selected
    }
}
