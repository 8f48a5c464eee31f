// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import ControlPanel

@Suite struct FeedAPITests {
    private let json = "application/json"

    @Test func aPageHoldsCloudEventsAndSaysWhereToGoOn() async throws {
        try await FeedWorld.with { world in
            try await world.append("one", "two", "three")
            try await world.fixture.withAPI { api in
                let page = try await api.send(.get, FeedWorld.path + "?limit=2", headers: [.accept: json])
                #expect(page.status == 200)
                #expect(try page.json["events"]?.elements.map { $0["sequence"] } == [.number("1"), .number("2")])
                let event = try page.json["events"]?[0]?["event"]
                #expect(event?["specversion"]?.text == "1.0")
                #expect(event?["type"]?.text == DeploymentProgressed.type)
                #expect(event?["subject"]?.text == world.environment.rawValue)
                #expect(event?["data"]?["message"]?.text == "one")
                #expect(try page.json["next"] == .number("2"))
                #expect(try page.json["hasMore"] == .bool(true))
                let rest = try await api.send(.get, FeedWorld.path + "?after=2", headers: [.accept: json])
                #expect(try rest.json["events"]?.elements.map { $0["event"]?["data"]?["message"]?.text } == ["three"])
                #expect(try rest.json["hasMore"] == .bool(false))
                let header = try await api.send(
                    .get, FeedWorld.path + "?after=0", headers: [.accept: json, ServerSentEvent.lastIDHeader: "2"])
                #expect(header.text == rest.text)
                let now = try await api.send(.get, FeedWorld.path + "?after=latest", headers: [.accept: json])
                #expect(try now.json["next"] == .number("3"))
            }
        }
    }

    @Test func whatIsWrongInARequestIsNamed() async throws {
        try await FeedWorld.with { world in
            try await world.append("one", "two", "three")
            try await world.feed.purge(now: .now(), perOrganisationMax: 1)
            try await world.fixture.withAPI { api in
                let gone = try await api.send(.get, FeedWorld.path + "?after=1")
                #expect(gone.status == 410)
                #expect(try gone.json["type"]?.text == "urn:slipway:problem:position-gone")
                #expect(gone.text.contains("the oldest event kept is 3"))
                #expect(try await api.send(.get, FeedWorld.path + "?after=4").status == 422)
                let header = try await api.send(.get, FeedWorld.path, headers: [ServerSentEvent.lastIDHeader: "latest"])
                #expect(header.status == 400)
                let type = try await api.send(.get, FeedWorld.path + "?types=deployment.done.v1")
                #expect(type.status == 422)
                #expect(type.text.contains(DeploymentSucceeded.type))
                #expect(try await api.send(.get, FeedWorld.path + "?limit=0").status == 422)
            }
        }
    }

    @Test func membersReadAndOthersDoNotLearnThatItIsThere() async throws {
        try await FeedWorld.with { world in
            try await world.append("one")
            let viewer = try await world.fixture.user("vera@example.org", role: .viewer)
            let stranger = try await world.fixture.user("sam@example.org", role: nil)
            let `operator` = try await world.fixture.user("olga@example.org", role: nil, isOperator: true)
            try await world.fixture.withAPI { api in
                func status(_ token: String, _ path: String = FeedWorld.path) async throws -> Int {
                    try await api.send(.get, path, headers: [.accept: json], token: token).status
                }
                #expect(try await status(viewer) == 200)
                #expect(try await status(stranger) == 404)
                #expect(try await status(`operator`) == 404)
                #expect(try await status("") == 401)
                let own = try await api.send(
                    .get, "/v1/organisations/org-sam/events", headers: [.accept: json], token: stranger)
                #expect(try own.json["events"]?.elements.isEmpty == true)
            }
        }
    }

    @Test func aStreamGoesOnExactlyWhereItBrokeOff() async throws {
        try await FeedWorld.with { world in
            try await world.fixture.withServer { api, port in
                let first = LiveStream()
                async let reading = first.read(FeedWorld.path, of: api, port: port) {
                    LiveStream.ids(in: $0).count >= 2
                }
                try await eventually("the stream is open") { first.text.contains("id: 0\n") }
                try await world.append("one", "two")
                let text = try await reading
                #expect(text.hasPrefix("HTTP/1.1 200 "))
                #expect(LiveStream.ids(in: text) == [1, 2])
                try await world.append("three")
                let second = LiveStream()
                async let resuming = second.read(
                    FeedWorld.path, of: api, port: port, headers: ["Last-Event-ID: 2"]
                ) { LiveStream.ids(in: $0).count >= 2 }
                try await eventually("the stream is open again") { second.text.contains("id: 3\n") }
                try await world.append("four")
                #expect(LiveStream.ids(in: try await resuming) == [3, 4])
            }
        }
    }

    @Test func aStreamOfOtherTypesMovesItsPositionOn() async throws {
        try await FeedWorld.with { world in
            try await world.append("one", "two")
            try await world.fixture.withServer { api, port in
                let path = FeedWorld.path + "?after=latest&types=\(DeploymentFailed.type)"
                let text = try await LiveStream().read(path, of: api, port: port) { $0.contains("id: 2\n") }
                #expect(LiveStream.ids(in: text).isEmpty)
            }
        }
    }

    @Test func streamsOfAnOrganisationAreBounded() async throws {
        try await FeedWorld.with { world in
            let routes = FeedRoutes(feed: world.feed, notifier: world.fixture.panel.notifier, streams: Slots(1))
            let held = (0..<PanelLimits.feedStreamsPerOrganisationMax).map { _ in
                routes.streamsOfOrganisation.take(world.organisation.rawValue)
            }
            #expect(held.allSatisfy { $0 != nil })
            #expect(routes.streamsOfOrganisation.take(world.organisation.rawValue) == nil)
            #expect(routes.streamsOfOrganisation.take("org_other") != nil)
        }
    }
}

@Suite struct StreamClientTests {
    private enum Outcome: Sendable { case slow, broken }

    /// A server whose one route writes until the client is called slow or is gone.
    private func outcome(slow: Duration, longest: Duration, isReading: Bool) async throws -> Outcome {
        let (outcomes, source) = AsyncStream.makeStream(of: Outcome.self)
        let router = Router(context: PanelContext.self)
        router.get("/") { _, context in
            let client = StreamClient(context.channel, slow: slow, longest: longest)
            return Response(
                status: .ok,
                body: ResponseBody { writer in
                    let piece = String(repeating: "x", count: 256 << 10)
                    do {
                        while try await client.write(piece, to: &writer) {}
                        source.yield(.slow)
                    } catch {
                        source.yield(.broken)
                        throw error
                    }
                    try await writer.finish(nil)
                })
        }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        return try await application.test(.live) { server in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.autoRead, value: isReading)
                .connect(host: "localhost", port: server.port ?? 0).get()
            try await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
            var iterator = outcomes.makeAsyncIterator()
            let outcome = try #require(await iterator.next())
            try? await channel.close()
            return outcome
        }
    }

    @Test func aClientThatTakesNothingIsCutOff() async throws {
        let outcome = try await outcome(slow: .seconds(3600), longest: .milliseconds(200), isReading: false)
        #expect(outcome == .broken)
    }

    @Test func aClientThatTakesTooLongIsSlow() async throws {
        let outcome = try await outcome(slow: .zero, longest: .seconds(3600), isReading: true)
        #expect(outcome == .slow)
    }
}
