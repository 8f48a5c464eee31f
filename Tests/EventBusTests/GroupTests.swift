// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Synchronization
import TestSupport
import Testing

/// The contract's sentences on groups: at least once, order, sharing, leaving, failing, back-pressure, positions.
@Suite(.timeLimit(.minutes(3)))
struct GroupTests {
    private struct Trouble: Error {}

    // MARK: Where a group goes on

    @Test(arguments: BusKind.available)
    func aNewGroupBeginsWithTheOldestAndGoesOnWhereItLeft(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await test.bus.publish((0..<3).map { Record(.builds, "k", "\($0)") })
            let first = Ledger()
            let early = test.consume("g", [.builds]) { try await first.handle($0) }
            try await eventually("the first three", within: membershipMax) { first.finished.count >= 3 }
            try await early.leave()
            try await test.bus.publish((3..<5).map { Record(.builds, "k", "\($0)") })
            let second = Ledger()
            let other = Ledger()
            _ = test.consume("g", [.builds]) { try await second.handle($0) }
            _ = test.consume("another", [.builds]) { try await other.handle($0) }
            try await eventually("the last", within: membershipMax) {
                second.finished.texts.last == "4" && other.finished.count >= 5
            }
            #expect(first.begun.texts == ["0", "1", "2"])
            #expect(second.begun.texts == ["3", "4"])
            #expect(other.firsts.texts == ["0", "1", "2", "3", "4"])
        }
    }

    @Test(arguments: BusKind.available)
    func everyGroupGetsEveryRecord(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let ledgers = (0..<3).map { _ in Ledger() }
            for (number, ledger) in ledgers.enumerated() {
                _ = test.consume("g\(number)", [.builds]) { try await ledger.handle($0) }
            }
            let records = (0..<60).map { Record(.builds, "k\($0 % 9)", "\($0)") }
            for record in records { try await test.bus.publish([record]) }
            let expected = Dictionary(grouping: records, by: \.key).mapValues { $0.compactMap(\.text) }
            for ledger in ledgers {
                try await eventually("all of them", within: membershipMax) { ledger.firsts.count == records.count }
                #expect(ledger.firsts.byKey == expected)
            }
        }
    }

    @Test(arguments: BusKind.available)
    func aRecordWhoseHandlerNeverReturnedIsTheFirstThatTheNextMemberGets(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await test.bus.publish((0..<5).map { Record(.builds, "k", "\($0)") })
            let number = partition(ofKey: "k", count: Topic.builds.partitions)
            let before = Ledger()
            let failing = test.consume("g", [.builds]) { incoming in
                try await before.handle(incoming) { if incoming.record.text == "2" { throw Trouble() } }
            }
            try await eventually("the third was tried twice", within: membershipMax) {
                before.begun.count { $0.record.text == "2" } >= 2
            }
            let committed = try await test.committed("g", .builds, partition: number)
            #expect(committed <= 2)
            await failing.cancel()
            let after = Ledger()
            _ = test.consume("g", [.builds]) { try await after.handle($0) }
            try await eventually("the rest", within: membershipMax) { after.finished.texts.last == "4" }
            #expect(before.finished.texts == ["0", "1"])
            // The records before it may come again, when their offsets had not been committed.
            #expect(after.begun.texts.suffix(3) == ["2", "3", "4"])
            let again = after.begun.texts
            #expect(again == ["0", "1", "2", "3", "4"].suffix(again.count))
        }
    }

    @Test(arguments: BusKind.available)
    func anOffsetIsCommittedOnlyAfterItsHandlerAndLagFallsToZero(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let held = Topic.builds.key(inPartition: 0)
            let free = Topic.builds.key(inPartition: 1)
            let gate = Gate()
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { incoming in
                try await ledger.handle(incoming) { if incoming.record.key == held { try await gate.wait() } }
            }
            try await test.bus.publish((0..<3).map { Record(.builds, held, "\($0)") })
            try await eventually("the handler is in the first record", within: membershipMax) {
                !ledger.begun.isEmpty
            }
            try await test.bus.publish((0..<4).map { Record(.builds, free, "\($0)") })
            // What has been committed of the other partition shows that a commit had its chance.
            try await eventually("the other partition is committed") {
                try await test.committed("g", .builds, partition: 1) == 4
            }
            let committed = try await test.committed("g", .builds, partition: 0)
            #expect(committed == 0)
            gate.open()
            try await eventually("everything is committed") {
                try await test.committed("g", .builds, partition: 0) == 3
            }
            let positions = try await test.bus.groupPositions()
            for (number, count) in [(0, Int64(3)), (1, 4)] {
                #expect(
                    positions.filter { $0.partition == number } == [
                        GroupPosition(group: "g", topic: "builds", partition: number, committed: count, lag: 0)
                    ])
            }
            let topics = try await test.bus.topicPositions()
            #expect(topics.map(\.next).sorted() == [0, 0, 3, 4])
            try await test.bus.publish([Record(.builds, held, "3")])
            try await eventually("the new one is committed too") {
                let isCommitted = try await test.committed("g", .builds, partition: 0) == 4
                let lag = try await test.lag("g")
                return isCommitted && lag == 0
            }
        }
    }

    // MARK: Joining and leaving

    @Test(arguments: BusKind.available)
    func membersShareThePartitionsAndTakeOverFromEachOther(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await test.withClient { other in
                let group = Ledger()
                let one = Ledger()
                let two = Ledger()
                _ = test.consume("g", [.builds]) { incoming in
                    try await group.handle(incoming) { try await one.handle(incoming) }
                }
                let leaver = test.consume("g", [.builds], on: other) { incoming in
                    try await group.handle(incoming) { try await two.handle(incoming) }
                }
                var number = 0
                func publish(_ count: Int) async throws {
                    try await test.bus.publish((0..<count).map { Record(.builds, "k\($0 % 12)", "\(number + $0)") })
                    number += count
                }
                try await eventually("both have work", within: membershipMax) {
                    try await publish(12)
                    try await eventually("all is handled", within: membershipMax) { group.firsts.count == number }
                    return !one.finished.isEmpty && !two.finished.isEmpty
                }
                try await leaver.leave()
                let gone = two.begun.count
                try await publish(48)
                try await eventually("the survivor has it all", within: membershipMax) { group.firsts.count == number }
                #expect(two.begun.count == gone)
                // Every member left or lived on in good order, so nothing came twice.
                if !kind.isHasty { #expect(group.repeats == 0) }
                #expect(group.overlaps.isEmpty)
                for (_, texts) in group.firsts.byKey { #expect(texts.compactMap { Int($0) }.isAscending) }
            }
        }
    }

    @Test(arguments: BusKind.available)
    func aMemberThatJoinsWaitsForTheHandlersThatRun(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let letGo = Gate()
            let watched = test.makeIdleClient(logger: LogGate.logger(letGo, opensOn: "partitions let go"))
            try await test.run(watched) { own in
                let group = Ledger()
                let joined = Ledger()
                let records = (0..<24).map { Record(.builds, "k\($0 % 12)", "\($0)") }
                try await test.bus.publish(records)
                // A rebalance begins in the middle of each partition's first record.
                _ = test.consume("g", [.builds], on: own) { incoming in
                    try await group.handle(incoming) {
                        if !letGo.isOpen { try await letGo.wait() }
                    }
                }
                try await eventually("each partition's handler runs", within: membershipMax) {
                    group.begun.count == Topic.builds.partitions
                }
                _ = test.consume("g", [.builds]) { incoming in
                    try await group.handle(incoming) { try await joined.handle(incoming) }
                }
                var number = records.count
                try await eventually("the new member has work", within: membershipMax) {
                    try await test.bus.publish((0..<12).map { Record(.builds, "k\($0)", "\(number + $0)") })
                    number += 12
                    try await eventually("all is handled", within: membershipMax) { group.firsts.count == number }
                    return !joined.finished.isEmpty
                }
                #expect(group.overlaps.isEmpty)
                // No handler was cut short, none was called again.
                if !kind.isHasty { #expect(group.begun.count == number && group.repeats == 0) }
                for (_, texts) in group.firsts.byKey { #expect(texts.compactMap { Int($0) }.isAscending) }
            }
        }
    }

    @Test(arguments: BusKind.available)
    func aMemberThatLeavesFinishesItsRecordAndNothingComesTwice(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let gate = Gate()
            let before = Ledger()
            let leaver = test.consume("g", [.builds]) { incoming in
                // The gate would let go of a handler that is cancelled.
                try await before.handle(incoming) { try await gate.wait() }
            }
            try await test.bus.publish((0..<10).map { Record(.builds, "k", "\($0)") })
            try await eventually("the handler is in the first record", within: membershipMax) { !before.begun.isEmpty }
            let hasLeft = Gate()
            let leaving = Task {
                try await leaver.leave()
                hasLeft.open()
            }
            // A second member shows that the first keeps its partition: it gets nothing until the handler is done.
            let after = Ledger()
            try await test.withClient { other in
                _ = test.consume("g", [.builds], on: other) { try await after.handle($0) }
                let free = Topic.builds.key(inPartition: 3 - partition(ofKey: "k", count: 4))
                try await test.bus.publish([Record(.builds, free, "free")])
                #expect(!hasLeft.isOpen && before.finished.isEmpty && after.begun.texts(of: "k").isEmpty)
                gate.open()
                try await leaving.value
                #expect(before.begun.count == before.finished.count)
                #expect(before.finished.texts(of: "k").first == "0")
                // Where the wish to leave arrives late, the first member may have handled more than its first record.
                try await eventually("the rest", within: membershipMax) {
                    before.finished.texts.contains("9") || after.finished.texts.contains("9")
                }
                let expected = (0..<10).map(String.init)
                #expect(after.begun.texts(of: "k") == Array(expected.suffix(after.begun.texts(of: "k").count)))
                if !kind.isHasty {
                    #expect(before.finished.texts(of: "k") + after.begun.texts(of: "k") == expected)
                }
            }
        }
    }

    // MARK: Failing and slow handlers

    @Test(arguments: BusKind.available)
    func aFailingHandlerStopsItsPartitionAndNoOther(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let bad = Topic.builds.key(inPartition: 2)
            let good = Topic.builds.key(inPartition: 3)
            let isMended = Gate()
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { incoming in
                try await ledger.handle(incoming) {
                    if incoming.record.text == "poison", !isMended.isOpen { throw Trouble() }
                }
            }
            try await test.bus.publish(
                [Record(.builds, bad, "first"), Record(.builds, bad, "poison"), Record(.builds, bad, "last")])
            try await eventually("the poison was tried", within: membershipMax) {
                ledger.begun.texts.contains("poison")
            }
            try await test.bus.publish((0..<50).map { Record(.builds, good, "\($0)") })
            try await eventually("the other partition goes on") { ledger.finished.texts(of: good).last == "49" }
            try await eventually("tried again") { ledger.begun.count { $0.record.text == "poison" } >= 3 }
            #expect(ledger.begun.texts(of: bad).contains("last") == false)
            isMended.open()
            try await eventually("the rest follows") { ledger.finished.texts(of: bad).last == "last" }
            #expect(ledger.firsts.texts(of: bad) == ["first", "poison", "last"])
            #expect(ledger.firsts.texts(of: good) == (0..<50).map(String.init))
            #expect(ledger.overlaps.isEmpty)
        }
    }

    @Test(arguments: BusKind.available)
    func aSlowHandlerHoldsItsPartitionBackAndNoOther(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let slow = Topic.builds.key(inPartition: 0)
            let fast = Topic.builds.key(inPartition: 1)
            let gate = Gate()
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { incoming in
                try await ledger.handle(incoming) { if incoming.record.key == slow { try await gate.wait() } }
            }
            for start in stride(from: 0, to: 5_000, by: 500) {
                try await test.bus.publish((start..<start + 500).map { Record(.builds, slow, "\($0)") })
            }
            try await test.bus.publish((0..<500).map { Record(.builds, fast, "\($0)") })
            try await eventually("the fast partition is done", within: membershipMax) {
                try await test.committed("g", .builds, partition: 1) == 500
            }
            // Nothing of the other one was given to a handler ahead of its turn, and all of it still counts as lag.
            #expect(ledger.begun.texts(of: slow) == ["0"])
            let waiting = try await test.bus.topicPositions().first { $0.partition == 0 }?.next
            #expect(waiting == 5_000)
            let lag = try await test.bus.groupPositions().first { $0.partition == 0 }?.lag
            #expect(lag == nil || lag == 5_000)
            gate.open()
            try await eventually("lag falls to 0", within: membershipMax) {
                try await test.committed("g", .builds, partition: 0) == 5_000
            }
            #expect(ledger.firsts.texts(of: slow) == (0..<5_000).map(String.init))
            #expect(ledger.overlaps.isEmpty)
        }
    }
}

extension [Int] {
    fileprivate var isAscending: Bool { zip(self, dropFirst()).allSatisfy { $0 < $1 } }
}
