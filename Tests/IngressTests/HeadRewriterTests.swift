// SPDX-License-Identifier: Apache-2.0
import NIOCore
import TestSupport
import Testing

@testable import Ingress

struct HeadRewriterTests {
    private let arrival = HeadRewriter.Arrival(clientAddress: "192.0.2.1", scheme: "http", port: "8080")

    private func rewritten(_ text: String) throws -> String {
        let head = try request(text).get()
        var out = ByteBuffer()
        withBytes(text) { HeadRewriter.write(head, of: $0, from: arrival, requestID: "id-1", to: &out) }
        return String(buffer: out)
    }

    private func rewritten(
        response text: String, _ persistence: HeadRewriter.Persistence = .implied, isToHead: Bool = false
    ) throws -> String {
        let head = try response(text, isToHead: isToHead).get()
        var out = ByteBuffer()
        withBytes(text) {
            HeadRewriter.write(head, of: $0, requestID: "id-1", persistence: persistence, to: &out)
        }
        return String(buffer: out)
    }

    private let ours = """
        X-Forwarded-For: 192.0.2.1\r
        X-Forwarded-Proto: http\r
        X-Forwarded-Host: A.example:8080\r
        X-Forwarded-Port: 8080\r
        X-Request-Id: id-1\r

        """

    @Test func aPlainRequestKeepsItsLinesAndLearnsWhereItCameFrom() throws {
        let text = "GET /x?y=z HTTP/1.1\r\nHost: A.example:8080\r\nAccept:  */* \r\nCookie: a=b\r\n"
        #expect(try rewritten(text + "\r\n") == text + ours + "\r\n")
    }

    @Test func whatBelongsToTheHopOrIsTheClientsWordForItselfIsLeftOut() throws {
        let text = """
            GET / HTTP/1.1\r
            X-Forwarded-For: 10.0.0.1\r
            X_Forwarded_Proto: https\r
            X-Forwarded-Prefix: /admin\r
            Forwarded: for=10.0.0.1\r
            X-Real-IP: 10.0.0.1\r
            Host: A.example:8080\r
            Connection: keep-alive, X-Hop\r
            Keep-Alive: timeout=5\r
            X-Hop: 1\r
            Accept: */*\r
            TE: trailers\r
            Proxy-Authorization: Basic eA==\r
            Upgrade: h2c\r
            X-Request-Id: theirs\r
            Proxy-Connection: keep-alive\r
            \r

            """
        #expect(try rewritten(text) == "GET / HTTP/1.1\r\nHost: A.example:8080\r\nAccept: */*\r\n" + ours + "\r\n")
    }

    @Test func aConnectionHeaderCannotTakeAwayWhatFramesOrRoutes() throws {
        let text = "POST / HTTP/1.1\r\nHost: A.example:8080\r\nContent-Length: 3\r\n"
        let connection = "Connection: Content-Length, Host, X-Forwarded-For, X-Request-Id\r\n"
        #expect(try rewritten(text + connection + "\r\n") == text + ours + "\r\n")
    }

    @Test func anAbsoluteTargetBecomesPathAndHost() throws {
        let text = "GET http://A.example:8080 HTTP/1.1\r\nHost: other\r\n\r\n"
        #expect(try rewritten(text) == "GET / HTTP/1.1\r\nHost: A.example:8080\r\n" + ours + "\r\n")
        let query = "GET http://A.example:8080?q HTTP/1.1\r\nHost: other\r\n\r\n"
        #expect(try rewritten(query).hasPrefix("GET /?q HTTP/1.1\r\n"))
    }

    @Test func anUpgradeIsAskedForOnThisHopToo() throws {
        let text = "GET / HTTP/1.1\r\nHost: A.example:8080\r\nUpgrade: websocket\r\n"
        let expected = text + ours + "Connection: upgrade\r\n\r\n"
        #expect(try rewritten(text + "Connection: keep-alive, Upgrade\r\n\r\n") == expected)
    }

    @Test func anHTTP10RequestStaysOneAndItsConnectionIsNotKept() throws {
        let text = "GET / HTTP/1.0\r\nHost: A.example:8080\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"
        let expected = "GET / HTTP/1.0\r\nHost: A.example:8080\r\n" + ours + "Connection: close\r\n\r\n"
        #expect(try rewritten(text) == expected)
    }

    @Test func aResponseLosesItsHopAndGainsTheRequestID() throws {
        let text = """
            HTTP/1.0 200 Fine\r
            Server: x\r
            Connection: close, X-Hop\r
            X-Hop: 1\r
            X-Request-Id: theirs\r
            Content-Length: 3\r
            \r

            """
        #expect(
            try rewritten(response: text)
                == "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 3\r\nX-Request-Id: id-1\r\n\r\n")
        #expect(try rewritten(response: text, .close).hasSuffix("X-Request-Id: id-1\r\nConnection: close\r\n\r\n"))
        #expect(try rewritten(response: text, .keepAlive).hasSuffix("Connection: keep-alive\r\n\r\n"))
    }

    @Test func aResponseWithoutABodyDoesNotSpeakOfOne() throws {
        let lines = "Content-Length: 3\r\n\r\n"
        #expect(
            try rewritten(response: "HTTP/1.1 204 No Content\r\n" + lines)
                == "HTTP/1.1 204 No Content\r\nX-Request-Id: id-1\r\n\r\n")
        #expect(
            try rewritten(response: "HTTP/1.1 304 Not Modified\r\n" + lines)
                == "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nX-Request-Id: id-1\r\n\r\n")
        #expect(
            try rewritten(response: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    }

    @Test func requestIDsDifferAndOnlyPlainOnesAreTaken() {
        var generator = SeededGenerator(1)
        var source = RequestIDSource(using: &generator)
        let ids = Set((0..<1_000).map { _ in source.next() })
        #expect(ids.count == 1_000)
        #expect(ids.allSatisfy { $0.utf8.count == 32 })
        for (id, isTaken) in [
            ("abc-1_2.3", true), ("", false), ("a b", false), ("a\"b", false),
            (String(repeating: "a", count: 65), false),
        ] {
            #expect(withBytes(id) { RequestIDSource.isWellFormed($0, 0..<$0.count) } == isTaken)
        }
    }
}
