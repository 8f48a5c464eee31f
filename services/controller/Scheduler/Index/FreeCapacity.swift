// SPDX-License-Identifier: Apache-2.0

/// What each host has left, and the questions that strategies ask about it.
///
/// A question costs a few operations for each 64 hosts, and some for each host that is close to the answer.
struct FreeCapacity: Equatable, Sendable {
    /// By slot. Below zero where more is placed than the host has, as after it has shrunk.
    private var free: [Resources] = []
    private var memory = Thresholds()
    private var cpu = Thresholds()
    private var disk = Thresholds()
    /// The most memory that one of 64 neighbouring hosts has left.
    private var memoryMaxOfBlock: [Int] = []

    subscript(slot: Int) -> Resources { free[slot] }

    /// Makes room for a host at the end.
    mutating func append() {
        free.append(Resources())
        if free.count > memoryMaxOfBlock.count * HostSet.wordBits { memoryMaxOfBlock.append(0) }
        raiseOrFind(slot: free.count - 1, from: .min, to: 0)
    }

    mutating func set(_ slot: Int, to new: Resources) {
        let old = free[slot]
        free[slot] = new
        memory.move(slot, from: old.memoryBytes, to: new.memoryBytes)
        cpu.move(slot, from: old.cpuMillicores, to: new.cpuMillicores)
        disk.move(slot, from: old.diskBytes, to: new.diskBytes)
        raiseOrFind(slot: slot, from: old.memoryBytes, to: new.memoryBytes)
    }

    private mutating func raiseOrFind(slot: Int, from old: Int, to new: Int) {
        let block = slot / HostSet.wordBits
        if new >= memoryMaxOfBlock[block] {
            memoryMaxOfBlock[block] = new
        } else if old == memoryMaxOfBlock[block] {
            let first = block * HostSet.wordBits
            var most = Int.min
            for neighbour in first..<min(first + HostSet.wordBits, free.count) {
                most = max(most, free[neighbour].memoryBytes)
            }
            memoryMaxOfBlock[block] = most
        }
    }

    func hasRoom(_ slot: Int, for need: Resources) -> Bool { need.fits(in: free[slot]) }

    /// Whether any of the hosts has room.
    func hasRoom(in hosts: HostSet, for need: Resources) -> Bool {
        narrowed(hosts, for: need).contains { hasRoom($0, for: need) }
    }

    /// The first of the hosts that has room.
    func first(in hosts: HostSet, for need: Resources) -> Int? {
        narrowed(hosts, for: need).first { hasRoom($0, for: need) }
    }

    /// Of the hosts with room the one with the most memory left.
    func roomiest(in hosts: HostSet, for need: Resources) -> Int? {
        let candidates = narrowed(hosts, for: need)
        var best: Int?
        var most = Int.min
        for (block, word) in candidates.words.enumerated() where word != 0 && memoryMaxOfBlock[block] > most {
            var word = word
            while word != 0 {
                let slot = block * HostSet.wordBits + word.trailingZeroBitCount
                word &= word - 1
                if free[slot].memoryBytes > most, hasRoom(slot, for: need) {
                    best = slot
                    most = free[slot].memoryBytes
                }
            }
        }
        return best
    }

    /// Of the hosts with room the one with the least memory left.
    func tightest(in hosts: HostSet, for need: Resources) -> Int? {
        let candidates = narrowed(hosts, for: need)
        for step in Thresholds.step(of: need.memoryBytes)...Thresholds.stepMax {
            guard let level = memory.select(candidates, at: step) else { continue }
            var best: Int?
            var least = Int.max
            for slot in level where free[slot].memoryBytes < least && hasRoom(slot, for: need) {
                best = slot
                least = free[slot].memoryBytes
            }
            if let best { return best }
        }
        return nil
    }

    /// One of the hosts with room, each as likely.
    func any(in hosts: HostSet, for need: Resources, using generator: inout SplitMix64) -> Int? {
        var candidates = narrowed(hosts, for: need)
        var count = candidates.count
        while count > 0, let slot = candidates.member(at: Int.random(in: 0..<count, using: &generator)) {
            if hasRoom(slot, for: need) { return slot }
            candidates.remove(slot)
            count -= 1
        }
        return nil
    }

    /// Without most of the hosts that have no room, and with all that have.
    private func narrowed(_ hosts: HostSet, for need: Resources) -> HostSet {
        var hosts = hosts
        memory.narrow(&hosts, to: need.memoryBytes)
        cpu.narrow(&hosts, to: need.cpuMillicores)
        disk.narrow(&hosts, to: need.diskBytes)
        return hosts
    }
}
