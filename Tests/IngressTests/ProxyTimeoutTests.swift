// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import Testing

@testable import Ingress

@Suite(.timeLimit(.minutes(1)))
struct ProxyTimeoutTests {
    private static let soon: TimeAmount = .milliseconds(50)

    private static func withTick(_ configure: (inout IngressTimeouts) -> Void) -> (inout ProxyConfiguration) -> Void {
        var timeouts = IngressTimeouts()
        timeouts.upstreamIdle = .hours(1)
        timeouts.tick = .milliseconds(5)
        configure(&timeouts)
        let configured = timeouts
        return { $0.timeouts = configured }
    }

    @Test func aHeadThatStopsArrivingIsAnswered408() async throws {
        try await TestIngress.with(Self.withTick { $0.requestHead = .seconds(2) }) { ingress in
            let client = try await ingress.connect()
            client.send("GET / HTTP/1.1\r\nHo")
            let answer = await client.readToEnd()
            try #require(answer.hasPrefix("HTTP/1.1 408 "))
            let entry = try await ingress.logged { $0.status == 408 }
            #expect(entry.cause == "head_timeout")
        }
    }

    @Test func anIdleConnectionIsClosedWithoutAWord() async throws {
        try await TestIngress.with(Self.withTick { $0.keepAliveIdle = Self.soon }) { ingress in
            let client = try await ingress.connect()
            client.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
            _ = try await client.readResponse()
            #expect(await client.readToEnd() == "")
        }
    }

    @Test func anInstanceThatDoesNotAnswerIsGivenUp() async throws {
        let app = try await Listener.start()
        try await TestIngress.with(Self.withTick { $0.responseHead = Self.soon }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 504 "))
            _ = await upstream.readToEnd()
        }
        try await app.stop()
    }

    @Test func aResponseThatStopsIsBrokenOff() async throws {
        let app = try await Listener.start()
        try await TestIngress.with(Self.withTick { $0.bodyIdle = Self.soon }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart")
            #expect(await client.readToEnd().hasSuffix("part"))
            let entry = try await ingress.logged { $0.status == 200 }
            #expect(entry.cause == "body_idle")
        }
        try await app.stop()
    }

    @Test func aRequestBodyThatStopsIsAnswered408() async throws {
        let app = try await Listener.start()
        try await TestIngress.with(Self.withTick { $0.bodyIdle = Self.soon }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\npart")
            _ = try await app.accept()
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 408 "))
        }
        try await app.stop()
    }

    @Test func aConnectionToAnInstanceIsNotKeptForLong() async throws {
        let app = try await Listener.start()
        try await TestIngress.with(Self.withTick { $0.upstreamIdle = Self.soon }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send(ok("one"))
            _ = try await client.readResponse()
            #expect(await upstream.readToEnd() == "")
        }
        try await app.stop()
    }

    @Test func aTunnelInWhichNothingMovesIsClosed() async throws {
        let app = try await Listener.start()
        try await TestIngress.with(Self.withTick { $0.tunnelIdle = Self.soon }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/", "Connection: upgrade\r\nUpgrade: x\r\n"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 101 "))
            #expect(await upstream.readToEnd() == "")
        }
        try await app.stop()
    }
}
