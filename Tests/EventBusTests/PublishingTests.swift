// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import TestSupport
import Testing

/// The contract's sentences on preparing and publishing.
@Suite(.timeLimit(.minutes(3)))
struct PublishingTests {
    /// The one place that tells whether the suite ran on Kafka: every other test leaves it out when it is not there.
    @Test(
        .enabled(
            if: BusKind.kafkaAddress != nil,
            "SLIPWAY_TEST_KAFKA is not set: the contract is not tested on Kafka; `make test` sets it, or set host:port"
        ))
    func kafkaIsTested() async throws {
        try await TestBus.with(.kafka, [.builds]) { test in
            try await eventually("the cluster answers") { await test.bus.problem() == nil }
        }
    }

    @Test(arguments: BusKind.available)
    func preparingAgainAndAtOnceMakesEachPartitionOnce(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds, .routesDesired]) { test in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await test.withClient { bus in
                            try await bus.prepare()
                            try await bus.prepare()
                        }
                    }
                }
                try await group.waitForAll()
            }
            let positions = try await test.bus.topicPositions()
            #expect(
                Set(positions)
                    == Set(
                        [Topic.builds, .routesDesired].flatMap { topic in
                            (0..<topic.partitions).map {
                                TopicPosition(topic: topic.name, partition: $0, oldest: 0, next: 0)
                            }
                        }))
            #expect(positions.count == Set(positions).count)
        }
    }

    @Test(arguments: BusKind.available)
    func aRecordArrivesAsItWasPublished(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds, .environments]) { test in
            let name = "schlüssel/日本 🚀 \"'\\%"
            let headers: RecordHeaders = [
                "ce_id": "1", "ce_subject": name, "empty": "", "blanks": " a\tb ", "日本": "ключ",
                "long": String(
                    repeating: "é", count: 2_000),
            ]
            let records = [
                Record(topic: "builds", key: name, headers: headers, value: Data(#"{"text":"\"日本\" 🚀\n"}"#.utf8)),
                Record(topic: "builds", key: name, headers: [:], value: Data()),
                Record(
                    topic: "environments", key: name, partitionKey: "other", headers: headers, value: Data("{}".utf8)),
                Record(topic: "environments", key: name, partitionKey: "other", headers: headers, value: nil),
            ]
            try await test.bus.publish(records)
            let ledger = Ledger()
            _ = test.consume("g", [.builds, .environments]) { try await ledger.handle($0) }
            try await eventually("the last of each topic", within: membershipMax) {
                ledger.finished.contains { $0.record.topic == "environments" && $0.record.value == nil }
                    && ledger.finished.count { $0.record.topic == "builds" } == 2
            }
            for topic in [Topic.builds, .environments] {
                let arrived = ledger.finished.filter { $0.record.topic == topic.name }
                // Of a state topic only the latest value has to come.
                let expected = records.filter { $0.topic == topic.name }.suffix(arrived.count)
                #expect(arrived.map(\.record.key) == expected.map(\.key))
                #expect(arrived.map(\.record.headers) == expected.map(\.headers))
                #expect(arrived.map(\.record.value) == expected.map(\.value))
                let key = expected.last?.partitionKey ?? name
                let partitions = Set(arrived.map(\.partition))
                #expect(partitions == [partition(ofKey: key, count: topic.partitions)])
            }
        }
    }

    /// Values are JSON on this platform; other bytes must not come out as something else.
    @Test(arguments: BusKind.available, [[0x61, 0, 0x62], [0xff, 0xfe], [0]] as [[UInt8]])
    func bytesThatAreNoTextArriveAsTheyAreOrAreRefused(_ kind: BusKind, bytes: [UInt8]) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let record = Record(topic: "builds", key: "k", headers: [:], value: Data(bytes))
            do {
                try await test.bus.publish([record])
            } catch let error as BusError {
                #expect(error.message.contains("builds"))
                let stored = try await test.recordsStored()
                #expect(stored == 0)
                return
            }
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await eventually("it arrives", within: membershipMax) { !ledger.finished.isEmpty }
            #expect(ledger.finished.first?.record.value == record.value)
        }
    }

    @Test(arguments: BusKind.available)
    func theRecordsOfOneCallKeepTheirOrder(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let records = (0..<1_000).map { Record(.builds, "key\($0 % 7)", "\($0)") }
            try await test.bus.publish(records)
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await eventually("all arrived", within: membershipMax) { ledger.firsts.count == records.count }
            for number in 0..<Topic.builds.partitions {
                #expect(
                    ledger.firsts.filter { $0.partition == number }.texts
                        == records.filter { partition(ofKey: $0.key, count: 4) == number }.compactMap(\.text))
            }
            #expect(ledger.overlaps.isEmpty)
        }
    }

    @Test(arguments: BusKind.available)
    func concurrentPublishersLoseNothingAndKeepTheOrderOfEachKey(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await test.withClient { other in
                try await withThrowingTaskGroup(of: Void.self) { publishers in
                    for publisher in 0..<8 {
                        let bus = publisher % 2 == 0 ? test.bus : other
                        publishers.addTask {
                            for call in 0..<25 {
                                try await bus.publish(
                                    (0..<3).map { Record(.builds, "own\(publisher)", "\(call * 3 + $0)") }
                                        + [Record(.builds, "shared", "\(publisher):\(call)")])
                            }
                        }
                    }
                    try await publishers.waitForAll()
                }
            }
            try await eventually("all arrived", within: membershipMax) { ledger.firsts.count >= 8 * 25 * 4 }
            let arrived = ledger.firsts
            #expect(arrived.count == 8 * 25 * 4)
            for publisher in 0..<8 {
                #expect(arrived.texts(of: "own\(publisher)") == (0..<75).map(String.init))
                let shared = arrived.texts(of: "shared").filter { $0.hasPrefix("\(publisher):") }
                #expect(shared == (0..<25).map { "\(publisher):\($0)" })
            }
            for (_, records) in Dictionary(grouping: arrived, by: \.partition) {
                let offsets = records.map(\.offset)
                #expect(offsets == offsets.sorted())
            }
        }
    }

    enum Refused: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case unknownTopic, topicOfOthers, tooLarge, slightlyTooLarge, eventWithoutValue

        var testDescription: String { rawValue }

        var record: Record {
            switch self {
            case .unknownTopic: Record(topic: "nonsense", key: "k", headers: [:], value: Data("{}".utf8))
            case .topicOfOthers: Record(.services, "k", "{}")
            case .tooLarge: Record(.builds, "k", String(repeating: "x", count: 20 << 20))
            case .slightlyTooLarge: largest(.builds, excess: 1)
            case .eventWithoutValue: Record(.builds, "k", nil)
            }
        }

        /// What the message has to name.
        var names: [String] {
            switch self {
            case .unknownTopic: ["nonsense"]
            case .topicOfOthers: ["services"]
            case .tooLarge: ["builds", "\(self.record.size)", "\(Limits.eventBytesMax)"]
            case .slightlyTooLarge: ["builds", "\(Limits.eventBytesMax + 1)", "\(Limits.eventBytesMax)"]
            case .eventWithoutValue: ["builds", "value"]
            }
        }
    }

    @Test(arguments: BusKind.available, Refused.allCases)
    func aRecordThatCannotBePublishedIsRefusedAtOnceWithItsNeighbours(_ kind: BusKind, _ refused: Refused) async throws
    {
        try await TestBus.with(kind, [.builds]) { test in
            let good = Record(.builds, "k", "good")
            let error = await #expect(throws: BusError.self) {
                try await test.bus.publish([good, refused.record, good])
            }
            let text = try #require(error?.message)
            for name in refused.names { #expect(text.contains(name), "\(text)") }
            let stored = try await test.recordsStored()
            #expect(stored == 0)
        }
    }

    @Test(arguments: BusKind.available)
    func theLargestRecordAndAnEmptyCallPass(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await test.bus.publish([])
            let record = largest(.builds)
            #expect(record.size == Limits.eventBytesMax)
            // Together more than one request of either bus holds.
            try await test.bus.publish([record, record, record])
            let ledger = Ledger()
            _ = test.consume("g", [.builds]) { try await ledger.handle($0) }
            try await eventually("all three", within: membershipMax) { ledger.firsts.count == 3 }
            #expect(ledger.firsts.allSatisfy { $0.record.value == record.value })
        }
    }

    @Test(arguments: BusKind.available)
    func publishingAndReadingBeginWithTheRunOfTheirClient(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds, .environments]) { test in
            let client = test.makeIdleClient()
            let ledger = Ledger()
            let table = Table()
            _ = test.consume("g", [.builds], on: client.bus) { try await ledger.handle($0) }
            _ = test.start { try await client.bus.follow(.environments, partitionKey: nil) { try table.apply($0) } }
            _ = test.start {
                try await client.bus.publish([Record(.builds, "k", "a"), Record(.environments, "k", "b")])
            }
            try await test.run(client) { _ in
                try await eventually("event and state", within: membershipMax) {
                    ledger.finished.texts == ["a"] && table.values == ["k": "b"]
                }
            }
        }
    }

    @Test(arguments: BusKind.available)
    func cloudspacesOnOneServerDoNotSeeEachOther(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await test.withClient(cloudspace: "b") { other in
                try await other.prepare()
                try await other.publish([Record(.builds, "k", "theirs")])
                try await test.bus.publish([Record(.builds, "k", "ours"), Record(.builds, "k", "ours too")])
                let ours = Ledger()
                let theirs = Ledger()
                _ = test.consume("g", [.builds]) { try await ours.handle($0) }
                _ = test.consume("g", [.builds], on: other) { try await theirs.handle($0) }
                try await eventually("both groups are done", within: membershipMax) {
                    let lags = try await (test.lag("g"), other.groupPositions().map(\.lag))
                    return lags.0 == 0 && !lags.1.isEmpty && lags.1.allSatisfy { $0 == 0 }
                        && theirs.finished.count == 1
                }
                #expect(ours.firsts.texts == ["ours", "ours too"])
                #expect(theirs.firsts.texts == ["theirs"])
                let stored = try await other.topicPositions().map { $0.next - $0.oldest }
                #expect(stored.reduce(0, +) == 1)
            }
        }
    }
}

/// A record of exactly the largest size, or `excess` bytes more.
private func largest(_ topic: Topic, excess: Int = 0) -> Record {
    let empty = Record(topic, "k", "")
    return Record(
        topic: topic.name, key: "k", headers: empty.headers,
        value: Data(repeating: 0x78, count: Limits.eventBytesMax - empty.size + excess))
}
