// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Messaging

struct ReplayTests {
    /// Refuses every note whose text begins with "bad".
    private static let broken: EventHandlers = {
        var handlers = EventHandlers.writing()
        handlers.on(Note.self) { event, transaction in
            if event.data.text.hasPrefix("bad") { throw RejectedEvent("a bug") }
            try await EventHandlers.write(event.data.key, event.data.text, transaction)
        }
        handlers.on(Fact.self) { _, _ in throw RejectedEvent("a bug") }
        return handlers
    }()

    @Test func aParkedEventIsHandledOnceByTheMendedHandler() async throws {
        try await World.with { world in
            try await world.bus.publish([note("k", "bad 1"), note("k", "bad 2"), note("k", "good")])
            var letters: [Event<DeadLetter>] = []
            try await world.consuming(Self.broken) {
                letters = try await world.letters(2)
                try await eventually("the good one") { try await world.effects() == ["good"] }
            }

            try await world.consuming(.writing()) {
                let request = try world.replayRequest(letters[0])
                // The request twice, the same wish again, and one for another group.
                try await world.bus.publish([
                    request, request, world.replayRequest(letters[0]),
                    world.replayRequest(letters[1], consumer: "other"),
                ])
                try await eventually("the replay") { try await world.effects().contains("bad 1") }
                try await world.bus.publish([world.replayRequest(letters[1])])
                try await eventually("the second replay") { try await world.effects().contains("bad 2") }
            }
            let effects = try await world.effects()
            #expect(effects == ["good", "bad 1", "bad 2"])
            #expect(world.logs.lines(with: "nothing to replay").count == 1)

            // Neither does the record itself come again with an effect.
            let record = try #require(world.bus.published.all.first { $0.eventID == letters[0].data.headers["ce_id"] })
            try await world.bus.publish([record, note("k", "last")])
            try await world.consuming(.writing()) {
                try await eventually("the last") { try await world.effects().contains("last") }
            }
            let after = try await world.effects()
            #expect(after == ["good", "bad 1", "bad 2", "last"])
        }
    }

    @Test func anUnknownVersionIsHandledAfterAnUpgrade() async throws {
        try await World.with { world in
            let record = try Event(source: "/test", data: NoteV2(key: "k", text: "new")).record()
            try await world.bus.publish([record])
            var letters: [Event<DeadLetter>] = []
            try await world.consuming(.writing()) { letters = try await world.letters(1) }
            #expect(letters[0].data.cause.contains("this build knows test.note.v1"))

            var upgraded = EventHandlers.writing()
            upgraded.on(NoteV2.self) { event, transaction in
                try await EventHandlers.write(event.data.key, event.data.text, transaction)
            }
            try await world.consuming(upgraded, types: World.types.union([NoteV2.type])) {
                try await world.bus.publish([world.replayRequest(letters[0])])
                try await eventually("the replay") { try await world.effects() == ["new"] }
            }
        }
    }

    @Test func whatFailsAgainIsParkedAgainAndCanBeReplayed() async throws {
        try await World.with { world in
            try await world.bus.publish([note("k", "bad")])
            var letters: [Event<DeadLetter>] = []
            try await world.consuming(Self.broken) {
                letters = try await world.letters(1)
                let request = try world.replayRequest(letters[0])
                try await world.bus.publish([request, request])
                letters = try await world.letters(2)
            }
            #expect(letters.count == 2)
            #expect(letters[0].id != letters[1].id)
            #expect(letters[0].data.offset == letters[1].data.offset)
            #expect(letters[0].data.headers == letters[1].data.headers)

            try await world.consuming(.writing()) {
                try await world.bus.publish([world.replayRequest(letters[1])])
                try await eventually("the replay") { try await world.effects() == ["bad"] }
            }
            let all = try world.letters()
            #expect(all.count == 2)
        }
    }

    @Test func aRecordWithoutIdKeepsItsPosition() async throws {
        try await World.with { world in
            var record = try note("k", "nameless")
            record.headers["ce_id"] = nil
            try await world.bus.publish([record])
            try await world.consuming(.writing()) {
                let letter = try await world.letters(1)[0]
                try await world.bus.publish([world.replayRequest(letter)])
                let again = try await world.letters(2)[1]
                #expect(again.data.cause == letter.data.cause)
                #expect(again.data.offset == letter.data.offset)
            }
        }
    }

    // MARK: State

    private func fact(_ key: String, _ text: String) throws -> Record {
        try Event(source: "/test", data: Fact(key: key, text: text)).record()
    }

    @Test func aStateRecordIsReplayedOnlyWhileItIsTheLatest() async throws {
        try await World.with { world in
            let topics: [Topic] = [.routesObserved, .builds]
            let slash = "with/slash"
            try await world.bus.publish([fact("a", "a1"), fact(slash, "s1"), fact("gone", "g1")])
            var letters: [Event<DeadLetter>] = []
            try await world.consuming(Self.broken, topics: topics) { letters = try await world.letters(3) }
            #expect(letters.map(\.data.recordKey) == ["a", slash, "gone"])

            var mended = EventHandlers.writing()
            mended.onTombstone(Fact.self) { key, transaction in
                try await EventHandlers.write(key, "removed", transaction)
            }
            try await world.consuming(mended, topics: topics) {
                try await world.bus.publish([
                    fact("a", "a2"), Record.tombstone(Fact.self, key: "gone", source: "/test"),
                ])
                try await eventually("the newer values") { try await world.effects() == ["a2", "removed"] }
                // The order within the topic of letters makes the last effect tell that all were looked at.
                try await world.bus.publish([
                    world.replayRequest(letters[0]), world.replayRequest(letters[2]), world.replayRequest(letters[1]),
                ])
                try await eventually("the replay") { try await world.effects(slash) == ["s1"] }
            }
            let effects = try await world.effects()
            #expect(effects == ["a2", "removed", "s1"])
            #expect(world.logs.lines(with: "nothing to replay").count == 2)
        }
    }

    // MARK: The topic of letters

    @Test func aLetterThatCannotBeHandledLeadsToNoOther() async throws {
        try await World.with { world in
            var handlers = EventHandlers.writing()
            handlers.on(DeadLetter.self) { event, transaction in
                try await EventHandlers.write("letter", event.data.cause, transaction)
                if event.data.cause == "unbearable" { throw RejectedEvent("cannot") }
            }
            func letter(_ cause: String) throws -> Record {
                let record = try note("k", "text")
                return try Event(
                    source: "/test",
                    data: DeadLetter(consumer: "x", partition: 0, offset: 0, record: record, cause: cause)
                ).record()
            }
            var request = try letter("replay")
            request.headers["ce_type"] = DeadLetterReplayRequested.type
            request.key = "test"
            request.value = Data("{}".utf8)
            let types = World.types.union([DeadLetter.type, DeadLetterReplayRequested.type])
            try await world.bus.publish([letter("unbearable"), request, letter("fine")])
            try await world.consuming(handlers, topics: [.deadLetters], types: types) {
                try await eventually("the next letter") { try await world.effects("letter") == ["fine"] }
            }
            let backlog = try await world.outbox.backlog().count
            #expect(backlog == 0)
            #expect(world.bus.published.all.count == 3)
            let refused = world.logs.lines(with: "is passed over")
            #expect(refused.count == 2)
            #expect(refused.last?.contains("field letter is missing") == true)
        }
    }

    @Test func whoDoesNotAskForLettersIgnoresThem() async throws {
        try await World.with { world in
            var noise = try note("noise", "text")
            noise.topic = Topic.deadLetters.name
            noise.headers = [:]
            try await world.bus.publish([noise, note("k", "bad")])
            try await world.consuming(Self.broken) {
                let letter = try await world.letters(1)[0]
                try await world.bus.publish([note("k", "good"), world.replayRequest(letter)])
                let again = try await world.letters(2)
                #expect(again.map(\.data.recordKey) == ["k", "k"])
            }
            #expect(world.logs.lines(with: "is passed over").isEmpty)
        }
    }
}
