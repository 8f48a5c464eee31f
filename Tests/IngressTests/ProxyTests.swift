// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Ingress

func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: app.test\r\n\(fields)\r\n"
}

func ok(_ body: String, _ fields: String = "") -> String {
    "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

@Suite(.timeLimit(.minutes(1)))
struct ProxyTests {
    @Test func connectionsAreKeptOnBothSides() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/one", "Connection: keep-alive\r\nX-Forwarded-For: 10.9.9.9\r\n"))
            let upstream = try await app.accept()
            let head = try await upstream.readHead()
            #expect(head.hasPrefix("GET /one HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 127.0.0.1\r\n"))
            #expect(head.contains("\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: app.test\r\n"))
            #expect(head.contains("\r\nX-Forwarded-Port: \(ingress.port)\r\nX-Request-Id: "))
            #expect(!head.contains("10.9.9.9") && !head.contains("Connection"))
            upstream.send(ok("first"))
            let first = try await client.readResponse()
            #expect(first.body == "first")
            #expect(first.head.contains("\r\nX-Request-Id: "))
            #expect(!first.head.contains("Connection"))

            client.send(get("/two", "X-Request-Id: mine-1\r\n"))
            #expect(try await upstream.readHead().contains("\r\nX-Request-Id: mine-1\r\n"))
            upstream.send(ok("second"))
            let second = try await client.readResponse()
            #expect(second.body == "second")
            #expect(second.head.contains("\r\nX-Request-Id: mine-1\r\n"))

            let entry = try await ingress.logged { $0.requestID == "mine-1" }
            #expect(entry.path == "/two" && entry.status == 200 && entry.hostname == "app.test")
            #expect(entry.instance?.rawValue == "ins_\(app.port)" && entry.cause == nil && entry.retries == 0)
        }
        try await app.stop()
    }

    @Test func requestsSentAheadAreAnsweredInTheirOrder() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            let unknown = "GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n"
            let post = "POST /b HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc"
            client.send(get("/a") + unknown + post + get("/c"))
            let upstream = try await app.accept()
            #expect(try await upstream.readHead().hasPrefix("GET /a "))
            #expect(upstream.received.isEmpty)
            upstream.send(ok("a"))
            #expect(try await client.readResponse().body == "a")
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 404 "))
            #expect(try await upstream.readHead().hasPrefix("POST /b "))
            #expect(try await upstream.readText(3) == "abc")
            upstream.send(ok("b"))
            #expect(try await client.readResponse().body == "b")
            #expect(try await upstream.readHead().hasPrefix("GET /c "))
            upstream.send(ok("c"))
            #expect(try await client.readResponse().body == "c")
        }
        try await app.stop()
    }

    /// Far more than would fit the stack, were each answered within the one before.
    @Test func thousandsOfRequestsSentAheadAreAnswered() async throws {
        try await TestIngress.with { ingress in
            let client = try await ingress.connect()
            let count = 5_000
            client.send(String(repeating: "GET / HTTP/1.1\r\nHost: u\r\n\r\n", count: count))
            let first = try await client.readResponse()
            #expect(first.head.hasPrefix("HTTP/1.1 404 "))
            // All answers are of one length.
            let length = first.head.utf8.count + first.body.utf8.count
            let rest = try await client.readText((count - 1) * length)
            #expect(rest.hasSuffix(first.body))
        }
    }

    @Test func tenMegabytesPassBothWaysUnchanged() async throws {
        let app = try await Listener.start()
        let pattern = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }
        var bytes: [UInt8] = []
        for _ in 0..<160 { bytes += pattern }
        let body = bytes
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: \(body.count)\r\n\r\n")
            client.send(body)
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            let arrived = try await upstream.read(body.count)
            #expect(arrived == body)
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            upstream.send(body)
            _ = try await client.readHead()
            let returned = try await client.read(body.count)
            #expect(returned == body)
            client.send(get("/next"))
            #expect(try await upstream.readHead().hasPrefix("GET /next "))
        }
        try await app.stop()
    }

    @Test func chunkedBodiesPassAsTheyAre() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            let body = "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nSum: 1\r\n\r\n"
            client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            let upstream = try await app.accept()
            #expect(try await upstream.readHead().contains("\r\nTransfer-Encoding: chunked\r\n"))
            #expect(try await upstream.readText(body.utf8.count) == body)
            upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            #expect(try await client.readHead().contains("\r\nTransfer-Encoding: chunked\r\n"))
            #expect(try await client.readText(body.utf8.count) == body)
            client.send(get("/next"))
            #expect(try await upstream.readHead().hasPrefix("GET /next "))
        }
        try await app.stop()
    }

    @Test func responsesWithoutABodyLeaveTheConnectionsInUse() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n")
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            #expect(try await client.readHead().contains("\r\nContent-Length: 1000\r\n"))
            for status in ["304 Not Modified", "204 No Content"] {
                client.send(get("/"))
                _ = try await upstream.readHead()
                upstream.send("HTTP/1.1 \(status)\r\nContent-Length: 10\r\n\r\n")
                #expect(try await client.readHead().hasPrefix("HTTP/1.1 \(status)\r\n"))
            }
        }
        try await app.stop()
    }

    @Test func aResponseThatEndsWithItsConnectionEndsTheClientsToo() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
            upstream.close()
            let answer = await client.readToEnd()
            #expect(answer.contains("\r\nConnection: close\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nuntil the end"))
        }
        try await app.stop()
    }

    @Test func aClientOfHTTP10IsSpokenToInItsVersion() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n")
            let upstream = try await app.accept()
            let head = try await upstream.readHead()
            #expect(head.hasPrefix("GET / HTTP/1.0\r\n") && head.contains("\r\nConnection: close\r\n"))
            upstream.send(ok("kept"))
            let kept = try await client.readResponse()
            #expect(kept.head.contains("\r\nConnection: keep-alive\r\n"))
            client.send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
            let second = try await app.accept()
            _ = try await second.readHead()
            second.send(ok("last"))
            let last = await client.readToEnd()
            #expect(last.contains("\r\nConnection: close\r\n") && last.hasSuffix("last"))
        }
        try await app.stop()
    }

    @Test func interimResponsesReachTheClientBeforeItSendsItsBody() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("PUT / HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            let upstream = try await app.accept()
            #expect(try await upstream.readHead().contains("\r\nExpect: 100-continue\r\n"))
            upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            #expect(try await client.readHead() == "HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\n")
            #expect(try await client.readHead() == "HTTP/1.1 100 Continue\r\n\r\n")
            client.send("body")
            #expect(try await upstream.readText(4) == "body")
            upstream.send(ok("done"))
            #expect(try await client.readResponse().body == "done")
        }
        try await app.stop()
    }

    @Test func anAnswerBeforeTheBodyIsSentEndsBothConnections() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\nsome")
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
            let answer = await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.hasSuffix("big"))
            #expect(answer.contains("\r\nConnection: close\r\n"))
            #expect(await upstream.readToEnd() == "some")
        }
        try await app.stop()
    }

    @Test func aTunnelCarriesBytesBothWaysAndEachDirectionEndsByItself() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n") + "early")
            let upstream = try await app.accept()
            let head = try await upstream.readHead()
            #expect(head.contains("\r\nUpgrade: websocket\r\n") && head.contains("\r\nConnection: upgrade\r\n"))
            upstream.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
            let answer = try await client.readHead()
            #expect(answer.hasPrefix("HTTP/1.1 101 ") && answer.contains("\r\nConnection: upgrade\r\n"))
            #expect(try await client.readText(5) == "hello")
            #expect(try await upstream.readText(5) == "early")
            let many = [UInt8](repeating: 0xc3, count: 1_000_000)
            client.send(many)
            #expect(try await upstream.read(many.count) == many)
            client.closeOutput()
            #expect(await upstream.readToEnd() == "")
            upstream.send("bye")
            #expect(try await client.readText(3) == "bye")
            upstream.closeOutput()
            #expect(await client.readToEnd() == "")
            let entry = try await ingress.logged { $0.status == 101 }
            #expect(entry.bytesIn == many.count + 5)
        }
        try await app.stop()
    }

    @Test func anUpgradeThatIsDeclinedIsAnOrdinaryResponse() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send(ok("no"))
            #expect(try await client.readResponse().body == "no")
            client.send(get("/next"))
            #expect(try await upstream.readHead().hasPrefix("GET /next "))
        }
        try await app.stop()
    }
}
