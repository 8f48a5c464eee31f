// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Logging
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import ControlPanel

@Suite struct DeadLetterAPITests {
    private static let path = "/v1/bus/dead-letters"

    /// A consumer that rejects every build until it is mended, on the panel's database and bus.
    private final class Mender: Sendable {
        let isMended = Mutex(false)
        let handled = Mutex<[String]>([])

        func consumer(_ fixture: PanelFixture) -> EventConsumer {
            var handlers = EventHandlers()
            handlers.on(BuildCancelRequested.self) { event, _ in
                guard self.isMended.withLock({ $0 }) else { throw RejectedEvent("not mended yet") }
                self.handled.withLock { $0.append(event.data.build.rawValue) }
            }
            return EventConsumer(
                bus: fixture.panel.bus, pool: fixture.pool, outbox: fixture.panel.outbox, group: "mender",
                topics: [.builds], handlers: handlers,
                logger: Logger(label: "mender", factory: { _ in SwiftLogNoOpLogHandler() }))
        }
    }

    private func withMender(
        _ body: @escaping @Sendable (PanelFixture, PanelClient, Mender) async throws -> Void
    ) async throws {
        try await PanelFixture.withBus { fixture in
            let mender = Mender()
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            let running = Task { try await mender.consumer(fixture).run() }
            let result: Swift.Result<Void, any Error>
            do {
                result = .success(
                    try await fixture.withAPI { api in
                        try await body(fixture, PanelClient(client: api.client, token: token), mender)
                    })
            } catch {
                result = .failure(error)
            }
            running.cancel()
            _ = try? await running.value
            try result.get()
        }
    }

    private func letters(_ api: PanelClient, _ query: String = "") async throws -> [JSON] {
        try await api.send(.get, Self.path + query).json.elements
    }

    private func publish(_ build: String, _ fixture: PanelFixture) async throws {
        let event = Event(source: "/t", data: BuildCancelRequested(build: BuildID(build)))
        try await fixture.panel.bus.publish([event.record()])
    }

    @Test func aLetterIsListedShownAndReplayedOnce() async throws {
        try await withMender { fixture, api, mender in
            try await publish("bld_1", fixture)
            try await eventually("the letter has come") { try await letters(api).count == 1 }
            let letter = try #require(try await letters(api, "?consumer=mender&status=parked").first)
            let id = try #require(letter["id"]?.text)
            #expect(letter["cause"]?.text?.contains("not mended yet") == true)
            #expect(letter["type"]?.text == BuildCancelRequested.type)
            #expect(letter["canReplay"] == .bool(true))
            let shown = try await api.send(.get, Self.path + "/" + id)
            #expect(try shown.json["value"]?.text == #"{"build":"bld_1"}"#)
            #expect(try shown.json["headers"]?["ce_type"]?.text == BuildCancelRequested.type)

            mender.isMended.withLock { $0 = true }
            let replay = Self.path + "/\(id)/replay"
            let first = try await api.send(.post, replay, headers: [Idempotency.header: "once"])
            #expect(first.status == 202)
            #expect(try first.json["status"]?.text == "replayed")
            #expect(try first.json["decidedBy"]?.text == "olga@example.org")
            try await eventually("it is handled") { mender.handled.withLock { $0 } == ["bld_1"] }
            let again = try await api.send(.post, replay, headers: [Idempotency.header: "once"])
            #expect(again.status == 202 && again.headers[Idempotency.replayed] == "true")
            let late = try await api.send(.post, replay)
            #expect(late.status == 409)
            #expect(late.text.contains("replayed already"))
            #expect(try await api.send(.post, Self.path + "/\(id)/discard").status == 409)
            #expect(try await letters(api, "?status=parked").isEmpty)
        }
    }

    @Test func whatFailsAgainIsANewLetterWhichCanBeDiscarded() async throws {
        try await withMender { fixture, api, mender in
            try await publish("bld_1", fixture)
            try await eventually("the letter has come") { try await letters(api).count == 1 }
            let first = try #require(try await letters(api).first?["id"]?.text)
            #expect(try await api.send(.post, Self.path + "/\(first)/replay").status == 202)
            try await eventually("a new letter has come") { try await letters(api, "?status=parked").count == 1 }
            let second = try #require(try await letters(api, "?status=parked").first?["id"]?.text)
            #expect(second != first)
            let discarded = try await api.send(.post, Self.path + "/\(second)/discard", "{}")
            #expect(discarded.status == 200)
            #expect(try discarded.json["status"]?.text == "discarded")
            let replay = try await api.send(.post, Self.path + "/\(second)/replay")
            #expect(replay.status == 409 && replay.text.contains("discarded already"))
            #expect(mender.handled.withLock { $0 }.isEmpty)
        }
    }

    @Test func lettersComeInPagesAndWhatIsWrongIsNamed() async throws {
        try await withMender { fixture, api, _ in
            for number in 1...3 { try await publish("bld_\(number)", fixture) }
            try await eventually("the letters have come") { try await letters(api).count == 3 }
            let all = try await letters(api).compactMap { $0["id"]?.text }
            let page = try await letters(api, "?limit=2").compactMap { $0["id"]?.text }
            #expect(page == Array(all.prefix(2)))
            let rest = try await letters(api, "?limit=2&before=\(page[1])").compactMap { $0["id"]?.text }
            #expect(rest == Array(all.suffix(1)))
            #expect(try await letters(api, "?consumer=nobody").isEmpty)
            let status = try await api.send(.get, Self.path + "?status=open")
            #expect(status.status == 422 && status.text.contains("parked"))
            #expect(try await api.send(.get, Self.path + "/evt_none").status == 404)
            #expect(try await api.send(.post, Self.path + "/evt_none/replay").status == 404)
            #expect(try await api.send(.post, Self.path + "/\(all[0])/discard", #"{"why": "x"}"#).status == 422)
        }
    }

    @Test func aLetterWithoutItsValueCanOnlyBeDiscarded() async throws {
        try await PanelFixture.with { fixture in
            let record = Record(
                topic: "builds", key: "k\0k", headers: ["ce_id": "evt_\0", "ce_type": "t"],
                value: Data(repeating: UInt8(ascii: "x"), count: DeadLetter.recordBytesMax + 1))
            let letter = DeadLetter(consumer: "mender", partition: 0, offset: 7, record: record, cause: "a\0b")
            let event = Event(source: "/t", data: letter)
            try await fixture.apply { try await DeadLetterStore.park(event, in: $0) }
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            try await fixture.withAPI { api in
                let shown = try await api.send(.get, Self.path + "/\(event.id)", token: token)
                #expect(try shown.json["valueOmitted"] == .bool(true))
                #expect(try shown.json["canReplay"] == .bool(false))
                #expect(try shown.json["headers"]?["ce_id"]?.text == "evt_\0")
                let replay = try await api.send(.post, Self.path + "/\(event.id)/replay", token: token)
                #expect(replay.status == 409)
                #expect(try replay.json["type"]?.text == "urn:slipway:problem:value-not-kept")
                #expect(try await api.send(.post, Self.path + "/\(event.id)/discard", token: token).status == 200)
            }
            #expect(try await fixture.published().isEmpty)
        }
    }

    @Test func aLetterThatItsConsumerMayHaveForgottenIsNotReplayed() async throws {
        try await PanelFixture.with { fixture in
            let record = Record(topic: "builds", key: "k", headers: ["ce_id": "evt_1"], value: Data("{}".utf8))
            let letter = DeadLetter(consumer: "mender", partition: 0, offset: 7, record: record, cause: "x")
            let old = Event(source: "/t", data: letter)
            let older = Event(source: "/t", data: letter)
            for (event, more) in [(old, Duration.seconds(-60)), (older, .seconds(1))] {
                try await fixture.apply { try await DeadLetterStore.park(event, in: $0) }
                let parkedAt = Timestamp.now().advanced(by: .zero - EventConsumer.replayable - more)
                try await fixture.pool.query("UPDATE dead_letters SET parked_at = \(parkedAt) WHERE id = \(event.id)")
            }
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            try await fixture.withAPI { api in
                let shown = try await api.send(.get, Self.path + "/\(older.id)", token: token)
                #expect(try shown.json["canReplay"] == .bool(false))
                let refused = try await api.send(.post, Self.path + "/\(older.id)/replay", token: token)
                #expect(refused.status == 409)
                #expect(try refused.json["type"]?.text == "urn:slipway:problem:too-old-to-replay")
                #expect(refused.text.contains("60 days"))
                #expect(try await fixture.published().isEmpty)
                #expect(try await api.send(.post, Self.path + "/\(old.id)/replay", token: token).status == 202)
            }
            #expect(try await fixture.published().count == 1)
        }
    }

    @Test func whatWasDecidedLongAgoAndWhatIsTooMuchIsForgotten() async throws {
        try await PanelFixture.with { fixture in
            let store = fixture.panel.deadLetters
            let record = Record(topic: "builds", key: "k", headers: [:], value: Data("{}".utf8))
            for offset in 0..<4 {
                let letter = DeadLetter(
                    consumer: "c", partition: 0, offset: Int64(offset), record: record, cause: "x")
                try await fixture.apply { try await DeadLetterStore.park(Event(source: "/t", data: letter), in: $0) }
            }
            let latest = try #require(try await store.list(consumer: nil, status: nil, before: nil, limit: 1).first)
            let row = try #require(try await fixture.pool.query("SELECT id FROM users").first)
            let user: UserID = try row.id("id")
            try await fixture.apply { _ = try await store.discard(latest.id, by: user, in: $0) }
            #expect(try await store.purge(now: .now()) == 0)
            let later = Timestamp.now().advanced(by: PanelLimits.deadLettersKept + .seconds(60))
            #expect(try await store.purge(now: later) == 0)
            #expect(try await store.list(consumer: nil, status: nil, before: nil, limit: 9).count == 3)
            #expect(try await store.purge(now: later, max: 1) == 2)
        }
    }
}
