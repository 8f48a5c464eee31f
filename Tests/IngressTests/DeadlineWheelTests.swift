// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Ingress

struct DeadlineWheelTests {
    @Test func whatIsInsertedComesUpAtItsTick() {
        var wheel = DeadlineWheel(buckets: 8)
        #expect(wheel.next == nil)
        let ticks = [wheel.insert(1, at: 3, now: 0), wheel.insert(2, at: 5, now: 0)]
        #expect(ticks == [3, 5])
        #expect(wheel.next == 3)
        let due = [wheel.advance(to: 2), wheel.advance(to: 4)]
        #expect(due == [[], [1]])
        #expect(wheel.next == 5)
        let rest = wheel.advance(to: 9)
        #expect(rest == [2])
        #expect(wheel.next == nil)
    }

    @Test func whatIsBeyondTheTurnComesUpEarly() {
        var wheel = DeadlineWheel(buckets: 8)
        let tick = wheel.insert(1, at: 100, now: 0)
        #expect(tick == 7)
        let due = wheel.advance(to: tick)
        #expect(due == [1])
    }

    @Test func whatIsDueAlreadyComesUpNext() {
        var wheel = DeadlineWheel(buckets: 8)
        let tick = wheel.insert(1, at: 3, now: 10)
        #expect(tick == 11)
        let due = wheel.advance(to: tick)
        #expect(due == [1])
    }

    /// Seeds 1 to 50: everything comes up once, never late.
    @Test func nothingIsLost() {
        for seed in 1...50 as ClosedRange<UInt64> {
            var generator = SeededGenerator(seed)
            var wheel = DeadlineWheel(buckets: 16)
            var promised: [Int: Int] = [:]
            var tick = 0
            for id in 0..<500 {
                promised[id] = wheel.insert(id, at: tick + Int.random(in: 0...40, using: &generator), now: tick)
                if Bool.random(using: &generator) { continue }
                tick += Int.random(in: 0...20, using: &generator)
                for due in wheel.advance(to: tick) {
                    let promise = promised.removeValue(forKey: due) ?? .max
                    #expect(promise <= tick, "seed \(seed)")
                }
                #expect(promised.values.allSatisfy { $0 > tick }, "seed \(seed)")
            }
        }
    }
}
