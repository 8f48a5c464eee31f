// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Synchronization
import TestSupport
import Testing

/// The contract's sentences on state topics: current values, the mark, changes; and on `tail`.
@Suite(.timeLimit(.minutes(3)))
struct StateTopicTests {
    private struct Trouble: Error {}
    private static let topic = Topic.instancesObserved

    @Test(arguments: BusKind.available)
    func aFollowerSeesTheCurrentValuesThenTheMarkThenChanges(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            for value in ["1", "2", "3"] { try await test.bus.publish([Record(Self.topic, "a", value)]) }
            try await test.bus.publish(
                [Record(Self.topic, "b", "1"), Record(Self.topic, "b", nil), Record(Self.topic, "c", "1")])
            let table = Table()
            _ = test.follow(Self.topic, into: table)
            try await eventually("caught up", within: membershipMax) { table.isCaughtUp }
            #expect(table.state.marks == [["a": "3", "c": "1"]])
            try await test.bus.publish(
                [Record(Self.topic, "a", "4"), Record(Self.topic, "c", nil), Record(Self.topic, "d", "1")])
            try await eventually("the changes") { table.values == ["a": "4", "d": "1"] }
            #expect(table.state.marks.count == 1)
        }
    }

    @Test(arguments: BusKind.available)
    func aFollowerOfAnEmptyTopicHasCaughtUpAtOnce(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic, .hostsObserved]) { test in
            let table = Table()
            _ = test.follow(.hostsObserved, into: table)
            try await eventually("caught up", within: membershipMax) { table.isCaughtUp }
            #expect(table.state.marks == [[:]])
            try await test.bus.publish([Record(Self.topic, "other", "1"), Record(.hostsObserved, "a", "1")])
            try await eventually("the first value") { table.values == ["a": "1"] }
        }
    }

    @Test(arguments: BusKind.available)
    func everyCurrentValueComesBeforeTheMark(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            for round in 0..<3 {
                try await test.bus.publish((0..<1_000).map { Record(Self.topic, "k\($0)", "\(round)") })
            }
            let removed = Set((0..<1_000).filter { $0 % 4 == 0 }.map { "k\($0)" })
            try await test.bus.publish(removed.map { Record(Self.topic, $0, nil) })
            let table = Table()
            _ = test.follow(Self.topic, into: table)
            try await eventually("caught up", within: membershipMax) { table.isCaughtUp }
            let mark = try #require(table.state.marks.first)
            #expect(mark.count == 750 && mark.allSatisfy { $0.value == "2" && !removed.contains($0.key) })
        }
    }

    @Test(arguments: BusKind.available)
    func withAPartitionKeyOnlyItsPartitionIsRead(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            let host = Self.topic.key(inPartition: 0, "host")
            let otherHost = Self.topic.key(inPartition: 1, "host")
            func place(_ key: String, _ value: String?, on host: String) async throws {
                try await test.bus.publish([Record(Self.topic, key, value, partitionKey: host)])
            }
            // The keys alone would go elsewhere.
            let key = Self.topic.key(inPartition: 2, "a")
            try await place(key, "1", on: host)
            try await place(key, "2", on: host)
            try await place("b", "1", on: otherHost)
            let table = Table()
            _ = test.follow(Self.topic, partitionKey: host, into: table)
            try await eventually("caught up", within: membershipMax) { table.isCaughtUp }
            #expect(table.state.marks == [[key: "2"]])
            try await place("b", "2", on: otherHost)
            try await place("c", "1", on: host)
            try await place(key, nil, on: host)
            try await eventually("the changes") { table.values == ["c": "1"] }
            #expect(!table.state.changes.contains { $0.key == "b" })
        }
    }

    @Test(arguments: BusKind.available)
    func followersThatStartWhileValuesChangeEndWithTheLatest(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            let tables = (0..<4).map { _ in Table() }
            for (number, table) in tables.enumerated() {
                _ = test.follow(Self.topic, into: table)
                for value in 0..<50 {
                    try await test.bus.publish(
                        (0..<5).map { Record(Self.topic, "k\($0)", "\(number * 50 + value)") })
                }
            }
            for table in tables {
                try await eventually("the latest values", within: membershipMax) {
                    table.isCaughtUp && (0..<5).allSatisfy { table.values["k\($0)"] == "199" }
                }
                #expect(table.state.marks.count == 1)
                for (_, changes) in Dictionary(grouping: table.state.changes, by: \.key) {
                    let numbers = changes.compactMap { $0.value.flatMap { Int($0) } }
                    #expect(numbers == numbers.sorted())
                }
            }
        }
    }

    @Test(arguments: BusKind.available)
    func aFollowerThatComesBackSeesWhatChangedMeanwhile(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            try await test.bus.publish([Record(Self.topic, "a", "1"), Record(Self.topic, "b", "1")])
            let before = Table()
            let reader = test.follow(Self.topic, into: before)
            try await eventually("caught up", within: membershipMax) { before.isCaughtUp }
            try await reader.leave()
            try await test.bus.publish([Record(Self.topic, "a", "2"), Record(Self.topic, "b", nil)])
            let after = Table()
            _ = test.follow(Self.topic, into: after)
            try await eventually("caught up again", within: membershipMax) { after.isCaughtUp }
            #expect(after.state.marks == [["a": "2"]])
            #expect(before.values == ["a": "1", "b": "1"])
        }
    }

    @Test(arguments: BusKind.available)
    func aFollowerThatFailsGetsTheSameAgainAndTheMarkOnce(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            try await test.bus.publish((0..<20).map { Record(Self.topic, "k\($0)", "1") })
            // The first call for a record and the first for the mark fail.
            let failures = Mutex<Set<FollowEvent>>([])
            let table = Table { event in
                let isToFail =
                    switch event {
                    case .caughtUp: true
                    case .record(let record): record.key == "k7"
                    }
                if isToFail, failures.withLock({ $0.insert(event).inserted }) { throw Trouble() }
            }
            _ = test.follow(Self.topic, into: table)
            try await eventually("caught up", within: membershipMax) { table.isCaughtUp }
            try await test.bus.publish([Record(Self.topic, "last", "1")])
            try await eventually("the change") { table.values["last"] == "1" }
            #expect(failures.withLock { $0.count } == 2)
            #expect(table.state.marks.map(\.count) == [20])
            #expect(table.values.count == 21)
        }
    }

    @Test(arguments: BusKind.available)
    func aGroupThatReadsAStateTopicEndsWithTheLatestValues(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [Self.topic]) { test in
            for round in 0..<5 {
                try await test.bus.publish((0..<40).map { Record(Self.topic, "k\($0)", "\(round)") })
            }
            try await test.bus.publish([Record(Self.topic, "k0", nil)])
            let ledger = Ledger()
            _ = test.consume("g", [Self.topic]) { try await ledger.handle($0) }
            try await eventually("everything is handled", within: membershipMax) {
                let lag = try await test.lag("g")
                return lag == 0 && Set(ledger.finished.map(\.record.key)).count == 40
            }
            try await test.bus.publish([Record(Self.topic, "k1", "5")])
            try await eventually("the change") { ledger.firsts.texts(of: "k1").last == "5" }
            let latest = ledger.firsts.byKey.compactMapValues(\.last)
            #expect(latest["k0"] == "tombstone" && latest["k39"] == "4")
            for texts in ledger.firsts.byKey.values {
                let numbers = texts.compactMap { Int($0) }
                #expect(numbers == numbers.sorted())
            }
            #expect(ledger.overlaps.isEmpty)
        }
    }

    // MARK: Tail

    @Test(arguments: BusKind.available)
    func aTailSeesEveryLaterRecordAndBelongsToNoGroup(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds, Self.topic]) { test in
            try await test.bus.publish([Record(.builds, "k", "earlier"), Record(Self.topic, "s", "earlier")])
            let tails = [Ledger(), Ledger()]
            for ledger in tails { _ = try await test.tail([.builds, Self.topic], into: ledger) }
            for number in 0..<100 { try await test.bus.publish([Record(.builds, "k\(number % 5)", "\(number)")]) }
            try await test.bus.publish([Record(Self.topic, "s", "1")])
            for ledger in tails {
                try await eventually("everything came", within: membershipMax) { ledger.firsts.count == 101 }
                #expect(!ledger.begun.texts.contains("earlier"))
                for key in 0..<5 {
                    #expect(
                        ledger.firsts.texts(of: "k\(key)") == stride(from: key, to: 100, by: 5).map { "\($0)" })
                }
                #expect(ledger.firsts.texts(of: "s") == ["1"])
            }
            try await test.bus.publish([Record(Self.topic, "s", nil)])
            for ledger in tails {
                try await eventually("the tombstone came") { ledger.firsts.texts(of: "s").last == "tombstone" }
            }
            let groups = try await test.bus.groupPositions()
            #expect(groups.isEmpty)
        }
    }

    @Test(arguments: BusKind.available)
    func aTailOfOneTopicSeesNothingOfAnother(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds, .services]) { test in
            let ledger = Ledger()
            let reader = try await test.tail([.services], into: ledger)
            try await test.bus.publish([Record(.builds, "k", "other"), Record(.services, "k", "mine")])
            try await eventually("its own", within: membershipMax) { ledger.firsts.texts == ["mine"] }
            try await reader.leave()
            try await test.bus.publish([Record(.services, "k", "later")])
            #expect(ledger.firsts.texts == ["mine"])
        }
    }
}
