// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Messaging

struct EventConsumerTests {
    private struct Bug: Error {}

    @Test func anEventThatComesTwiceHasOneEffect() async throws {
        try await World.with { world in
            let event = try note("k", "twice")
            try await world.bus.publish([event, event, event, note("k", "other")])
            try await world.consuming(.writing()) {
                try await eventually("the last") { try await world.effects().contains("other") }
            }
            let effects = try await world.effects()
            #expect(effects == ["twice", "other"])
        }
    }

    @Test func aHandlerThatKeepsFailingIsTriedThenParked() async throws {
        try await World.with { world in
            let attempts = Mutex(0)
            var handlers = EventHandlers()
            handlers.on(Note.self) { event, transaction in
                if event.data.text == "poison" {
                    attempts.withLock { $0 += 1 }
                    throw Bug()
                }
                try await EventHandlers.write(event.data.key, event.data.text, transaction)
            }
            try await world.bus.publish([note("k", "poison"), note("k", "next")])
            try await world.consuming(handlers) {
                try await eventually("the next") { try await world.effects() == ["next"] }
                let letter = try await world.letters(1)[0].data
                #expect(letter.cause == "the handler threw Bug")
                #expect(letter.consumer == "test")
            }
            #expect(attempts.withLock { $0 } == EventConsumer.attemptsMax)
        }
    }

    @Test func aStatementThatAlwaysTakesTooLongIsTheHandlersFault() async throws {
        try await World.with { world in
            var handlers = EventHandlers()
            handlers.on(Note.self) { event, transaction in
                if event.data.text == "slow" {
                    try await transaction.query("SET LOCAL statement_timeout = 20")
                    try await transaction.query("SELECT pg_sleep(60)")
                }
                try await EventHandlers.write(event.data.key, event.data.text, transaction)
            }
            try await world.bus.publish([note("k", "slow"), note("k", "next")])
            try await world.consuming(handlers) {
                try await eventually("the next") { try await world.effects() == ["next"] }
                let letter = try await world.letters(1)[0].data
                #expect(letter.cause.contains("57014"))
            }
        }
    }

    @Test func troubleWithTheDatabaseIsNoFaultOfTheEvent() async throws {
        try await World.with { world in
            let attempts = Mutex(0)
            var handlers = EventHandlers()
            handlers.on(Note.self) { event, transaction in
                let attempt = attempts.withLock { attempts in
                    attempts += 1
                    return attempts
                }
                if attempt <= EventConsumer.attemptsMax {
                    // The session dies under the handler.
                    try await transaction.query("SELECT pg_terminate_backend(pg_backend_pid())")
                }
                try await EventHandlers.write(event.data.key, event.data.text, transaction)
            }
            try await world.bus.publish([note("k", "late")])
            try await world.consuming(handlers) {
                try await eventually("the effect") { try await world.effects() == ["late"] }
            }
            let letters = try world.letters()
            #expect(letters.isEmpty)
        }
    }

    // MARK: Bad input

    private static func bad(_ change: (inout Record) -> Void) throws -> Record {
        var record = try note("k", "bad")
        change(&record)
        return record
    }

    /// Each with a part of the cause it is to be parked with.
    private static func badRecords() throws -> [(record: Record, cause: String)] {
        var cases: [(Record, String)] = try ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"].map { name in
            (try bad { $0.headers[name] = nil }, "the record has no header \(name)")
        }
        cases += [
            (try bad { $0.headers = [:] }, "no header ce_specversion, ce_id, ce_source, ce_type, ce_time"),
            (try bad { $0.headers["ce_id"] = "" }, "no header ce_id"),
            (try bad { $0.headers["ce_specversion"] = "0.3" }, "ce_specversion is \"0.3\", expected 1.0"),
            (try bad { $0.headers["ce_time"] = "yesterday" }, "ce_time"),
            (try bad { $0.headers["ce_id"] = String(repeating: "i", count: 5_000) }, "ce_id is longer than 256"),
            (
                try bad { $0.headers["content-type"] = "application/cloudevents+json; charset=utf-8" },
                "structured mode (\"application/cloudevents+json\")"
            ),
            (
                try bad { $0.headers["content-type"] = "application/protobuf" },
                "content-type is \"application/protobuf\""
            ),
            (try bad { $0.headers["ce_type"] = "test.other.v1" }, "\"test.other.v1\" is not in the catalogue"),
            (try bad { $0.headers["ce_type"] = "note" }, "\"note\" is not in the catalogue: types end in a version"),
            (
                try bad { $0.headers["ce_type"] = "build.succeeded.v2" },
                "this build knows build.succeeded.v1: replay it after an upgrade"
            ),
            (try bad { $0.value = Data("no json".utf8) }, "the data of test.note.v1 cannot be read: not JSON"),
            (try bad { $0.value = Data("{\"key\":\"k\",\"text\":7,\"number\":1}".utf8) }, "field text is not a String"),
            (try bad { $0.value = Data("{\"key\":\"k\",\"number\":1}".utf8) }, "field text is missing"),
        ]
        return cases
    }

    @Test func whatCannotBeReadIsParkedWithItsCauseAndTheRestOfThePartitionIsHandled() async throws {
        try await World.with { world in
            let cases = try Self.badRecords()
            for (number, bad) in cases.enumerated() {
                try await world.bus.publish([bad.record, note("k", String(number))])
            }
            try await world.consuming(.writing()) {
                let expected = cases.indices.map { String($0) }
                try await eventually("every good one") { try await world.effects() == expected }
                let letters = try await world.letters(cases.count).map(\.data)
                for (letter, bad) in zip(letters, cases) {
                    #expect(letter.cause.contains(bad.cause), "\(letter.cause)")
                    #expect(letter.headers == bad.record.headers.dictionary)
                    #expect(letter.value.map { Data($0.utf8) } == bad.record.value)
                    #expect(letter.topic == "builds")
                    #expect(letter.recordKey == "k")
                }
                #expect(letters.count == cases.count)
            }
        }
    }

    /// The embedded bus takes none of these; other brokers may.
    @Test func whatNoWriterOfOursCanPublishIsParkedToo() async throws {
        try await World.with { world in
            let consumer = world.consumer(.writing())
            let large = try Self.bad {
                $0.value = Data(repeating: UInt8(ascii: "x"), count: 20 << 20)
                $0.key = String(repeating: "k", count: 100_000)
            }
            let records = [
                large, try Self.bad { $0.value = Data([0xc3, 0x28]) }, try Self.bad { $0.value = nil },
            ]
            for (offset, record) in records.enumerated() {
                let incoming = IncomingRecord(record: record, partition: 2, offset: Int64(offset))
                try await consumer.handle(incoming)
                // Handed out again after a crash.
                try await consumer.handle(incoming)
            }
            let letters = try await world.letters(3).map(\.data)
            #expect(letters.map(\.offset) == [0, 1, 2])
            #expect(letters[0].cause.hasPrefix("the record has 2107"))
            #expect(letters[0].cause.hasSuffix("at most 1048576 travel"))
            #expect(letters[0].valueOmitted)
            #expect(letters[0].value == nil)
            #expect(letters[0].recordKey.count == DeadLetter.textMax)
            #expect(letters[1].cause.contains("not JSON"))
            #expect(letters[1].valueOmitted)
            #expect(letters[2].cause.contains("no value"))
            #expect(!letters[2].valueOmitted)
        }
    }

    @Test func typesOfTheCatalogueWithoutHandlerArePassedOver() async throws {
        try await World.with { world in
            let ignored = try Self.bad { $0.headers["ce_type"] = "build.succeeded.v1" }
            try await world.bus.publish([ignored, note("k", "next")])
            try await world.consuming(.writing()) {
                try await eventually("the next") { try await world.effects() == ["next"] }
            }
            let backlog = try await world.outbox.backlog().count
            #expect(backlog == 0)
            let letters = try world.letters()
            #expect(letters.isEmpty)
        }
    }

    @Test func theCatalogueIsWhatAConsumerKnows() {
        #expect(EventConsumer.catalogueTypes.isSuperset(of: ["build.succeeded.v1", "dead-letter.v1"]))
    }

    // MARK: Secrets

    private struct Leak: Error, CustomStringConvertible {
        let description: String
    }

    @Test func causesAndLogsHoldNothingOfTheData() async throws {
        let sentinel = "S3NTINEL"
        try await World.with { world in
            var handlers = EventHandlers()
            handlers.on(Note.self) { event, transaction in
                if event.data.number == 1 { throw Leak(description: event.data.text) }
                if event.data.number == 2 {
                    try await transaction.query("SELECT \(event.data.text)::int")
                }
            }
            let values = [
                "{\"key\":\"k\",\"number\":0,\"text\":{\"\(sentinel)\":\"\(sentinel)\"}}",
                "{\"key\":\"k\",\"number\":\"\(sentinel)\",\"text\":\"\"}",
                "{\"key\":\"k\",\"text\":\"\(sentinel)", "\(sentinel)",
                "{\"key\":\"k\",\"number\":1,\"text\":\"\(sentinel)\"}",
                "{\"key\":\"k\",\"number\":2,\"text\":\"\(sentinel)\"}",
            ]
            let records = try values.map { value in try Self.bad { $0.value = Data(value.utf8) } }
            try await world.bus.publish(records)
            try await world.consuming(handlers) {
                let letters = try await world.letters(values.count).map(\.data)
                #expect(letters.allSatisfy { $0.value?.contains(sentinel) == true })
                #expect(letters.allSatisfy { !$0.cause.contains(sentinel) })
                #expect(letters.map(\.cause).suffix(2) == ["the handler threw Leak", "postgres 22P02"])
            }
            #expect(!world.logs.lines(with: "event parked").isEmpty)
            #expect(!world.logs.lines(with: "trying again").isEmpty)
            #expect(world.logs.lines(with: sentinel).isEmpty)
        }
    }

    // MARK: Trace and time

    @Test func whatAHandlerAppendsBelongsToTheTraceOfItsEvent() async throws {
        try await World.with { world in
            var handlers = EventHandlers()
            handlers.on(Note.self) { event, transaction in
                if event.data.text == "poison" { throw RejectedEvent("no") }
                try await world.outbox.append(Fact(key: event.data.key, text: event.data.text), in: transaction)
            }
            let (first, second) = (TraceContext.root(), TraceContext.root())
            try await world.bus.publish([
                Self.bad { $0.headers["traceparent"] = first.traceparent },
                Event(
                    source: "/test", traceparent: second.traceparent, data: Note(key: "k", text: "poison")
                ).record(),
            ])
            try await world.consuming(handlers) {
                let letter = try await world.letters(1)[0]
                let ofLetter = letter.traceparent.flatMap { TraceContext(traceparent: $0) }
                #expect(ofLetter?.traceID == second.traceID)
                let fact = world.bus.published.all.first { $0.type == Fact.type }
                let ofFact = fact?.traceparent.flatMap { TraceContext(traceparent: $0) }
                #expect(ofFact?.traceID == first.traceID)
                #expect(ofFact?.parentID != first.parentID)
            }
        }
    }

    @Test func aClockThatRunsAheadIsToldOfOnceAndItsEventsAreHandled() async throws {
        try await World.with { world in
            let ahead = Timestamp.now().advanced(by: .seconds(1_000))
            let behind = Timestamp.now().advanced(by: .seconds(-100_000))
            try await world.bus.publish([
                note("k", "1", source: "/ahead", time: ahead), note("k", "2", source: "/ahead", time: ahead),
                note("k", "3", source: "/behind", time: behind),
            ])
            try await world.consuming(.writing()) {
                try await eventually("all three") { try await world.effects() == ["1", "2", "3"] }
            }
            let warnings = world.logs.lines(with: "a clock is wrong")
            #expect(warnings.count == 1)
            let warning = try #require(warnings.first)
            #expect(warning.contains("/ahead"))
            #expect(warning.contains("99"))
        }
    }

    @Test func aSourceIsWarnedOfOnceAMinute() {
        let skew = ClockSkew()
        let start = Timestamp(microseconds: 0)
        func due(_ source: String, _ seconds: Int) -> Bool {
            skew.isWarningDue(source, now: start.advanced(by: .seconds(seconds)))
        }
        #expect(due("a", 0))
        #expect(!due("a", 59))
        #expect(due("b", 59))
        #expect(due("a", 60))
        // More sources than are kept: the rest keeps silent until some are forgotten.
        for number in 0..<ClockSkew.sourcesMax - 2 { #expect(due("source \(number)", 61)) }
        #expect(!due("one more", 61))
        #expect(due("one more", 200))
        #expect(ClockSkew.ahead(start.advanced(by: .seconds(300)), now: start) == nil)
        #expect(ClockSkew.ahead(start.advanced(by: .seconds(301)), now: start) == .seconds(301))
    }
}
