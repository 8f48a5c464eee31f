// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Scheduler

/// The data structures by themselves, against the same done with standard collections.
struct IndexTests {
    @Test func aHostSetIsASet() {
        forEachSeed(from: 7_000_000, 200) { seed in
            var generator = Seeded(seed)
            func slots() -> Set<Int> {
                let end = generator.pick([1, 64, 65, 200])
                return Set((0..<Int.random(in: 0...60, using: &generator)).map { _ in generator.pick(Array(0..<end)) })
            }
            let (first, second) = (slots(), slots())
            let (ours, other) = (HostSet(first), HostSet(second))
            var union = ours
            union.formUnion(other)
            try hold(Array(union) == first.union(second).sorted(), "union of \(first) and \(second)")
            try hold(
                Array(ours.intersection(other)) == first.intersection(second).sorted(),
                "intersection of \(first) and \(second)")
            try hold(
                Array(ours.subtracting(other)) == first.subtracting(second).sorted(), "\(first) without \(second)")
            try hold(ours.count == first.count && ours.isEmpty == first.isEmpty, "count of \(first)")
            for slot in 0..<300 { try hold(ours.contains(slot) == first.contains(slot), "\(slot) in \(first)") }
            for (rank, slot) in first.sorted().enumerated() {
                try hold(ours.member(at: rank) == slot, "member \(rank) of \(first)")
            }
            try hold(ours.member(at: first.count) == nil, "member behind the end of \(first)")
        }
    }

    @Test func aLargerAmountIsNeverAtALowerStep() {
        var amounts = Array(-2...4000)
        for shift in 12..<63 { amounts += [(1 << shift) - 1, 1 << shift, (1 << shift) + 1] }
        let steps = (amounts + [.max]).map(Thresholds.step)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(steps[0...2] == [0, 0, 0])
        #expect(steps[3] > 0)
        #expect(steps.last == Thresholds.stepMax)
    }

    @Test func questionsAboutFreeCapacityAreAnsweredAsByAScan() {
        forEachSeed(from: 8_000_000, 150) { seed in
            var generator = Seeded(seed)
            var free = FreeCapacity()
            let count = generator.pick([3, 64, 300])
            func amount() -> Int { Int.random(in: -2...40, using: &generator) * generator.pick([1, 1, 100]) }
            func resources() -> Resources {
                Resources(memoryBytes: amount(), cpuMillicores: amount(), diskBytes: amount())
            }
            for _ in 0..<count { free.append() }
            for _ in 0..<(3 * count) { free.set(generator.pick(Array(0..<count)), to: resources()) }
            for _ in 0..<20 {
                let hosts = HostSet((0..<count).filter { _ in generator.chance(40) })
                let asked = resources()
                let need = Resources(
                    memoryBytes: max(0, asked.memoryBytes / 2), cpuMillicores: max(0, asked.cpuMillicores / 4),
                    diskBytes: max(0, asked.diskBytes / 4))
                let fitting = hosts.filter { need.fits(in: free[$0]) }
                let memory = fitting.map { free[$0].memoryBytes }
                func first(with amount: Int?) -> Int? { fitting.first { free[$0].memoryBytes == amount } }
                try hold(free.hasRoom(in: hosts, for: need) == !fitting.isEmpty, "room for \(need)")
                try hold(free.first(in: hosts, for: need) == fitting.first, "first for \(need)")
                try hold(free.roomiest(in: hosts, for: need) == first(with: memory.max()), "roomiest for \(need)")
                try hold(free.tightest(in: hosts, for: need) == first(with: memory.min()), "tightest for \(need)")
                var numbers = SplitMix64(seed: seed)
                let any = free.any(in: hosts, for: need, using: &numbers)
                try hold(any.map(fitting.contains) ?? fitting.isEmpty, "any for \(need)")
            }
        }
    }
}
