// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import TestSupport
import Testing

/// What was published is held against what was handled, while members come, leave, are cut off, fail and dawdle.
@Suite(.timeLimit(.minutes(3)))
struct LedgerTests {
    private struct Trouble: Error {}

    private static let publishers = 4
    private static let callsEach = 60
    private static let keysEach = 3
    /// A hasty broker loses track of groups whose members change while others do.
    private static func membersMax(on kind: BusKind) -> Int { kind.isHasty ? 1 : 3 }
    private static let steps = 7

    @Test(arguments: BusKind.available, [UInt64(1), 2, 3])
    func everythingPublishedIsHandledInOrder(_ kind: BusKind, seed: UInt64) async throws {
        let plan = (0..<Self.publishers).map { calls(of: $0, seed: seed) }
        let expected = Dictionary(grouping: plan.joined().joined(), by: \.key).mapValues { $0.compactMap(\.text) }
        let count = expected.values.reduce(0) { $0 + $1.count }
        try await TestBus.with(kind, [.builds]) { test in
            try await test.withClient { other in
                let ledger = Ledger()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (publisher, calls) in plan.enumerated() {
                        let bus = publisher % 2 == 0 ? test.bus : other
                        group.addTask { try await publish(calls, on: bus, seed: seed + UInt64(publisher)) }
                    }
                    try await shuffleMembers(
                        of: test, clients: [test.bus, other], seed: seed, membersMax: Self.membersMax(on: kind), ledger)
                    try await group.waitForAll()
                }
                let survivor = member(of: test, on: other, seed: seed, ledger)
                try await eventually("all \(count) are handled, seed \(seed)", within: membershipMax * 2) {
                    ledger.firsts.count >= count
                }
                try await eventually("all are committed", within: membershipMax) { try await test.lag("g") == 0 }
                try await survivor.leave()
                // In order of the first time each was handled: what follows a rewind is a repeat and does not count.
                let handled = ledger.firsts
                #expect(handled.byKey == expected)
                for (_, records) in Dictionary(grouping: handled, by: \.partition) {
                    let offsets = records.map(\.offset)
                    #expect(offsets == offsets.sorted())
                }
                #expect(ledger.overlaps.isEmpty)
                try await expectNothingIsLeft(in: test)
            }
        }
    }

    /// Whoever comes next gets what is published next, and nothing before it.
    private func expectNothingIsLeft(in test: TestBus) async throws {
        let ends = (0..<Topic.builds.partitions).map { Record(.builds, Topic.builds.key(inPartition: $0), "end") }
        let ledger = Ledger()
        _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
        try await test.bus.publish(ends)
        try await eventually("the ends", within: membershipMax) { ledger.finished.count >= ends.count }
        #expect(ledger.begun.texts == ends.compactMap(\.text))
    }

    /// Each publisher has keys of its own, so that the order of each key is known.
    private func calls(of publisher: Int, seed: UInt64) -> [[Record]] {
        var generator = SeededGenerator(seed &* 31 &+ UInt64(publisher))
        var number = 0
        return (0..<Self.callsEach).map { _ in
            (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                number += 1
                return Record(
                    .builds, "\(publisher)/\(Int.random(in: 0..<Self.keysEach, using: &generator))", "\(number)")
            }
        }
    }

    private func publish(_ calls: [[Record]], on bus: any EventBus, seed: UInt64) async throws {
        var generator = SeededGenerator(seed)
        for call in calls {
            try await bus.publish(call)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &generator)))
        }
    }

    /// Lets members join, leave gracefully and be cut off, as the seed has it.
    private func shuffleMembers(
        of test: TestBus, clients: [any EventBus], seed: UInt64, membersMax: Int, _ ledger: Ledger
    ) async throws {
        var generator = SeededGenerator(seed)
        var members = [member(of: test, on: clients[0], seed: seed, ledger)]
        for step in 0..<Self.steps {
            // The pace of the scenario; it ends in the same state at any pace.
            try await Task.sleep(for: .milliseconds(Int.random(in: 200...900, using: &generator)))
            let wantsOut = members.count >= membersMax || Bool.random(using: &generator)
            if wantsOut, !members.isEmpty {
                let leaver = members.remove(at: Int.random(in: 0..<members.count, using: &generator))
                if Bool.random(using: &generator) { try await leaver.leave() } else { await leaver.cancel() }
            } else {
                let client = clients[Int.random(in: 0..<clients.count, using: &generator)]
                members.append(member(of: test, on: client, seed: seed &+ UInt64(step), ledger))
            }
        }
        for member in members { await member.cancel() }
    }

    /// Some of its handlers fail at the first attempt, some take a while.
    private func member(of test: TestBus, on client: any EventBus, seed: UInt64, _ ledger: Ledger) -> Reader {
        test.consume("g", [.builds], on: client) { incoming in
            var generator = SeededGenerator(
                seed ^ UInt64(bitPattern: incoming.offset) &* 1_000_003 ^ UInt64(ledger.begun.count))
            let mood = Int.random(in: 0..<100, using: &generator)
            try await ledger.handle(incoming) {
                if mood < 3 { throw Trouble() }
                if mood < 40 { try await Task.sleep(for: .milliseconds(mood)) }
            }
        }
    }
}
