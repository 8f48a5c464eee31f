// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import TestSupport
import Testing

@testable import Ingress

@Suite(.timeLimit(.minutes(1)))
struct ProxyFailureTests {
    private let post = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\nhi"

    @Test func aDeadIdleConnectionIsReplacedForARequestThatMayBeSentAgain() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/one"))
            let first = try await app.accept()
            _ = try await first.readHead()
            first.send(ok("one"))
            _ = try await client.readResponse()
            client.send(get("/two"))
            _ = try await first.readHead()
            first.close()
            let second = try await app.accept()
            #expect(try await second.readHead().hasPrefix("GET /two "))
            second.send(ok("two"))
            #expect(try await client.readResponse().body == "two")
            let entry = try await ingress.logged { $0.path == "/two" }
            #expect(entry.retries == 1)
        }
        try await app.stop()
    }

    @Test func aRequestThatMayHaveHadAnEffectIsNotSentAgain() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/one"))
            let first = try await app.accept()
            _ = try await first.readHead()
            first.send(ok("one"))
            _ = try await client.readResponse()
            client.send(post)
            _ = try await first.readHead()
            first.close()
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 502 "))
            let entry = try await ingress.logged { $0.method == "POST" }
            #expect(entry.cause == "upstream_closed" && entry.retries == 0)
        }
        try await app.stop()
    }

    @Test func aFreshConnectionThatClosesUnansweredIsNotTriedAgain() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.close()
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 502 "))
        }
        try await app.stop()
    }

    @Test func anInstanceThatCannotBeReachedIsPassedOver() async throws {
        let app = try await Listener.start()
        let dead = try DeadPort()
        try await TestIngress.with { ingress in
            try await ingress.route(to: dead.port, app.port)
            for _ in 0..<4 {
                let client = try await ingress.connect()
                client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                let upstream = try await app.accept()
                _ = try await upstream.readHead()
                #expect(try await upstream.readText(2) == "hi")
                upstream.send(ok("yes", "Connection: close\r\n"))
                #expect(try await client.readResponse().body == "yes")
            }
        }
        try await app.stop()
    }

    @Test func whatCannotBeRoutedIsAnsweredWithItsReason() async throws {
        let dead = try DeadPort()
        try await TestIngress.with { ingress in
            try await ingress.route("empty.test")
            try await ingress.route(to: dead.port)
            let client = try await ingress.connect()
            for (host, status, cause) in [
                ("unknown.test", 404, "unknown_host"), ("empty.test", 503, "no_instances"),
                ("app.test", 502, "connect_failed"),
            ] {
                client.send("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
                let answer = try await client.readResponse()
                #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "))
                #expect(!answer.body.isEmpty)
                let entry = try await ingress.logged { $0.hostname == host }
                #expect(entry.status == status && entry.cause == cause)
            }
        }
    }

    @Test func aResponseThatBreaksOffBreaksOffForTheClient() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            for framing in ["Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n40\r\n"] {
                let client = try await ingress.connect()
                client.send(get("/"))
                let upstream = try await app.accept()
                _ = try await upstream.readHead()
                upstream.send("HTTP/1.1 200 OK\r\n" + framing + "part")
                upstream.close()
                #expect(await client.readToEnd().hasPrefix("HTTP/1.1 200 OK\r\n"))
            }
            let entry = try await ingress.logged { $0.cause != nil }
            #expect(entry.cause == "response_truncated" && entry.status == 200)
        }
        try await app.stop()
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: IngressLimits.headBytesMax))\r\n\r\n",
    ])
    func aMalformedResponseIsNotPassedOn(_ malformed: String) async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send(malformed)
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 502 "))
            _ = await upstream.readToEnd()
        }
        try await app.stop()
    }

    @Test func moreThanOneResponseToARequestIsNotTakenForTheNext() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/one"))
            let first = try await app.accept()
            _ = try await first.readHead()
            first.send(ok("one") + ok("stray"))
            #expect(try await client.readResponse().body == "one")
            client.send(get("/two"))
            let second = try await app.accept()
            _ = try await second.readHead()
            second.send(ok("two"))
            #expect(try await client.readResponse().body == "two")
        }
        try await app.stop()
    }

    @Test func aClientThatGoesEndsItsRequest() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/slow"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            client.close()
            _ = await upstream.readToEnd()
            let entry = try await ingress.logged { $0.path == "/slow" }
            #expect(entry.status == 499 && entry.cause == "client_gone")
        }
        try await app.stop()
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: app.test\n\n", 400), ("\r\n\r\nGET / HTTP/1.1\r\nHost: app.test\r\n\r\n", 400),
        ("CONNECT app.test:443 HTTP/1.1\r\nHost: app.test\r\n\r\n", 405),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: app.test\r\nX: \(String(repeating: "x", count: IngressLimits.headBytesMax))", 431),
    ])
    func whatIsNotPlainlyARequestIsRefusedAndTheConnectionEnds(_ bytes: String, _ status: Int) async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(bytes)
            let answer = await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(answer.contains("\r\nConnection: close\r\n"))
        }
        try await app.stop()
    }

    @Test func aMalformedBodyEndsBothConnections() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            #expect(try await upstream.readText(10) == "5\r\nhello\r\n")
            client.send("zz\r\n")
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 400 "))
            #expect(await upstream.readToEnd() == "")
        }
        try await app.stop()
    }

    @Test func oneEmptyLineBeforeARequestIsAllowed() async throws {
        try await TestIngress.with { ingress in
            let client = try await ingress.connect()
            client.send("\r\nGET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 404 "))
        }
    }

    @Test func connectionsBeyondTheLimitAreTurnedAway() async throws {
        try await TestIngress.with({ $0.connectionsMax = 1 }) { ingress in
            let first = try await ingress.connect()
            first.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
            _ = try await first.readResponse()
            let second = try await ingress.connect()
            #expect(await second.readToEnd().hasPrefix("HTTP/1.1 503 "))
            first.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
            #expect(try await first.readResponse().head.hasPrefix("HTTP/1.1 404 "))
        }
    }
}
