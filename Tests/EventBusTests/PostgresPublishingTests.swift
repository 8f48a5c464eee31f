// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import PostgresEventBus

struct HeaderTextTests {
    @Test(
        arguments: [
            [:], ["ce_id": "1"], ["": ""], ["a:b": "c:d", "back\\slash": "line\nend", "\\n": "\\c\n\\"],
            ["日本": "\u{1F600}", "\r\n": "\r\n"],
        ] as [RecordHeaders])
    func headersSurviveTheTrip(_ headers: RecordHeaders) {
        #expect(HeaderText.decode(HeaderText.encode(headers)) == headers)
    }

    @Test func aLineWithoutAColonIsRefused() {
        #expect(HeaderText.decode("a:b\nnonsense\n") == nil)
    }
}

struct PublishBatchTests {
    private static let topics = [Topic.builds.name: Topic.builds, Topic.environments.name: .environments]

    private func batches(_ records: [Record]) throws -> [PublishBatch] {
        try PublishBatch.batches(of: records, among: Self.topics)
    }

    @Test func manyRecordsAreSplitInOrder() throws {
        let records = (0..<(BusLimits.publishRecords * 2 + 1)).map { Record(.builds, "k", "\($0)") }
        let batches = try batches(records)
        #expect(batches.map(\.count) == [BusLimits.publishRecords, BusLimits.publishRecords, 1])
        #expect(batches.flatMap { $0.records.values.flatMap { $0 } } == records)
    }

    @Test func largeRecordsAreSplitByTheirBytes() throws {
        let text = String(repeating: "x", count: Limits.eventBytesMax - 100)
        let batches = try batches((0..<9).map { _ in Record(.builds, "k", text) })
        #expect(batches.allSatisfy { $0.bytes <= BusLimits.publishBytes })
        #expect(batches.map(\.count).reduce(0, +) == 9)
    }

    @Test func aKeyOrHeaderThatPostgresCannotHoldIsRefused() throws {
        var inHeader = Record(.builds, "k", "v")
        inHeader.headers["name"] = "a\0b"
        for record in [Record(.builds, "a\0b", "v"), inHeader] {
            let error = #expect(throws: BusError.self) { try batches([record]) }
            #expect(error?.message.contains("builds") == true)
        }
    }
}

struct PublisherTests {
    /// Writes that wait for each other's turn.
    private final class Writes: Sendable {
        private let state = Mutex<[[String]]>([])
        let gate = Gate()

        var all: [[String]] { state.withLock { $0 } }

        func note(_ batch: PublishBatch) -> [String] {
            let texts = batch.records.values.flatMap { $0 }.compactMap(\.text)
            state.withLock { $0.append(texts) }
            return texts
        }
    }

    private func batch(_ text: String) throws -> PublishBatch {
        try PublishBatch.batches(of: [Record(.builds, "k", text)], among: [Topic.builds.name: .builds])[0]
    }

    @Test func whatComesDuringAWriteSharesTheNextInOrder() async throws {
        let writes = Writes()
        let publisher = Publisher { batch in
            if writes.note(batch) == ["0"] { try await writes.gate.wait() }
        }
        var callers: [Task<Void, any Error>] = []
        for number in 0..<5 {
            let batch = try batch("\(number)")
            callers.append(Task { try await publisher.publish(batch) })
            try await eventually("call \(number) waits") {
                number == 0 ? writes.all.count == 1 : publisher.waitingCount == number
            }
        }
        writes.gate.open()
        for caller in callers { try await caller.value }
        #expect(writes.all == [["0"], ["1", "2", "3", "4"]])
    }

    @Test func oneThatTheServerRefusesDoesNotTakeOthersAlong() async throws {
        let writes = Writes()
        let publisher = Publisher { batch in
            let texts = writes.note(batch)
            if texts == ["first"] { try await writes.gate.wait() }
            if texts.contains("bad") { throw PostgresError(.server, "refused", sqlState: "22000") }
        }
        let first = Task { [batch = try batch("first")] in try await publisher.publish(batch) }
        try await eventually("the first is being written") { writes.all.count == 1 }
        let good = Task { [batch = try batch("good")] in try await publisher.publish(batch) }
        let bad = Task { [batch = try batch("bad")] in try await publisher.publish(batch) }
        try await eventually("both wait") { publisher.waitingCount == 2 }
        writes.gate.open()
        try await first.value
        try await good.value
        let refused = await bad.result
        #expect(throws: PostgresError.self) { try refused.get() }
    }

    /// A lock that is not free, a statement that took too long, a deadlock, a server that shuts down.
    @Test(arguments: ["55P03", "57014", "40P01", "57P01"])
    func whatMaySucceedLaterFailsAllAtOnceAndIsNotTriedForEach(sqlState: String) async throws {
        let writes = Writes()
        let publisher = Publisher { batch in
            if writes.note(batch) == ["0"] { return try await writes.gate.wait() }
            throw PostgresError(.server, "not now", sqlState: sqlState)
        }
        var callers: [Task<Void, any Error>] = []
        for number in 0..<4 {
            let batch = try batch("\(number)")
            callers.append(Task { try await publisher.publish(batch) })
            try await eventually("call \(number) waits") {
                number == 0 ? writes.all.count == 1 : publisher.waitingCount == number
            }
        }
        writes.gate.open()
        try await callers[0].value
        for caller in callers.dropFirst() {
            let failed = await caller.result
            #expect(throws: PostgresError.self) { try failed.get() }
        }
        #expect(writes.all == [["0"], ["1", "2", "3"]])
    }

    @Test func cancellationLetsGoOfWhatIsNotBeingWritten() async throws {
        let writes = Writes()
        let publisher = Publisher { batch in
            if writes.note(batch) == ["first"] { try await writes.gate.wait() }
        }
        let first = Task { [batch = try batch("first")] in try await publisher.publish(batch) }
        try await eventually("the first is being written") { writes.all.count == 1 }
        let second = Task { [batch = try batch("second")] in try await publisher.publish(batch) }
        try await eventually("the second waits") { publisher.waitingCount == 1 }
        second.cancel()
        first.cancel()
        let cancelled = await second.result
        #expect(throws: CancellationError.self) { try cancelled.get() }
        writes.gate.open()
        try await first.value
        #expect(writes.all == [["first"]])
    }
}
