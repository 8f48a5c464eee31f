// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import KafkaEventBus

/// Batches of real messages under threads that take from them while another empties them.
struct LaneBatchTests {
    private enum Emptying: CaseIterable {
        case discard, copyRest, copyAndDiscardTheCopy
    }

    private static let batchRecords = 40
    private static let rounds = 60

    @Test(arguments: UInt64(0)..<4)
    func eachRecordLeavesABatchOnceWhoeverTakesIt(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed)
        try await lending(Self.batchRecords * Self.rounds) { messages in
            for round in 0..<Self.rounds {
                let range = round * Self.batchRecords..<(round + 1) * Self.batchRecords
                let batch = LaneBatch(Array(messages[range]), topic: "builds")
                #expect(batch.count == range.count && batch.bytes > 0)
                let emptying = Emptying.allCases[round % Emptying.allCases.count]
                // The emptier joins in anywhere between the first record and the last.
                let turn = Int.random(in: 0...range.count, using: &random)
                let (taken, copied) = try await race(batch, emptying, turn)
                let all = range.map(String.init)
                // They leave from the front: what was taken is the beginning, and the copies are the rest in order.
                let beginning = Set(all.prefix(taken.count))
                #expect(Set(taken) == beginning, "round \(round): \(taken)")
                let rest = emptying == .copyRest ? Array(all.dropFirst(taken.count)) : []
                #expect(copied == rest, "round \(round)")
                #expect(batch.take() == nil)
            }
        }
    }

    /// - Parameter turn: how many records are gone, at least, when the batch is emptied.
    /// - Returns: what two takers took, and the copies.
    private func race(
        _ batch: LaneBatch, _ emptying: Emptying, _ turn: Int
    ) async throws -> (taken: [String], copied: [String]) {
        let takenCount = Counter()
        let ready = Counter()
        @Sendable func start() {
            ready.add()
            while ready.value < 3 { sched_yield() }
        }
        @Sendable func take() -> [String] {
            start()
            var texts: [String] = []
            while let item = batch.take() {
                takenCount.add()
                texts.append(item.text)
            }
            return texts
        }
        async let first = onThread("taker", take)
        async let second = onThread("taker", take)
        let copied = try await onThread("emptier") { () -> [String] in
            start()
            while takenCount.value < turn { sched_yield() }
            switch emptying {
            case .discard: batch.discard()
            case .copyAndDiscardTheCopy: batch.copyRest().discard()
            case .copyRest:
                let copy = batch.copyRest()
                var texts: [String] = []
                while let item = copy.take() { texts.append(item.text) }
                return texts
            }
            return []
        }
        return (try await first + second, copied)
    }

    @Test func aBatchIsEmptiedOnlyOnce() async throws {
        try await lending(3) { messages in
            let batch = LaneBatch(messages, topic: "builds")
            let first = try #require(batch.take())
            batch.discard()
            batch.discard()
            #expect(first.text == "0" && batch.copyRest().count == 0 && batch.take() == nil)
        }
    }
}

/// Counts what threads do.
final class Counter: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    func add() { count.wrappingAdd(1, ordering: .sequentiallyConsistent) }
}
