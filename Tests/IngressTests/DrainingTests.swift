// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import Testing

@testable import Ingress

@Suite(.timeLimit(.minutes(1)))
struct DrainingTests {
    @Test(arguments: [1, 2])
    func aRemovedInstanceFinishesItsRequestsAndGetsNoMore(_ loops: Int) async throws {
        let (old, new) = (try await Listener.start(), try await Listener.start())
        try await TestIngress.with(loops: loops) { ingress in
            try await ingress.route(to: old.port)
            let client = try await ingress.connect()
            client.send(get("/slow"))
            let slow = try await old.accept()
            _ = try await slow.readHead()
            #expect(try await ingress.loops.draining().isEmpty)

            try await ingress.route(to: new.port)
            #expect(try await ingress.loops.draining() == [InstanceID("ins_\(old.port)"): 1])
            let other = try await ingress.connect()
            other.send(get("/quick"))
            let quick = try await new.accept()
            _ = try await quick.readHead()
            quick.send(ok("new"))
            #expect(try await other.readResponse().body == "new")

            let count = ingress.drained.count
            slow.send(ok("old"))
            #expect(try await client.readResponse().body == "old")
            await ingress.drained.wait(since: count, timeout: .seconds(60))
            #expect(try await ingress.loops.draining().isEmpty)
            #expect(await slow.readToEnd() == "")
        }
        try await old.stop()
        try await new.stop()
    }

    @Test func aRemovedInstanceLosesItsKeptConnections() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            upstream.send(ok("one"))
            _ = try await client.readResponse()
            try await ingress.route()
            #expect(await upstream.readToEnd() == "")
        }
        try await app.stop()
    }

    @Test func aShutdownFinishesWhatIsInFlightAndClosesWhatIsIdle() async throws {
        let app = try await Listener.start()
        try await TestIngress.with { ingress in
            try await ingress.route(to: app.port)
            let idle = try await ingress.connect()
            idle.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
            _ = try await idle.readResponse()
            let busy = try await ingress.connect()
            busy.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()

            async let shutdown: Void = ingress.loops.shutDown()
            #expect(await idle.readToEnd() == "")
            upstream.send(ok("finished"))
            let answer = await busy.readToEnd()
            #expect(answer.contains("\r\nConnection: close\r\n") && answer.hasSuffix("finished"))
            idle.close()
            busy.close()
            await shutdown
        }
        try await app.stop()
    }

    @Test func aShutdownDoesNotWaitForEver() async throws {
        let app = try await Listener.start()
        try await TestIngress.with({ $0.timeouts.shutdown = .milliseconds(50) }) { ingress in
            try await ingress.route(to: app.port)
            let client = try await ingress.connect()
            client.send(get("/"))
            let upstream = try await app.accept()
            _ = try await upstream.readHead()
            await ingress.loops.shutDown()
            #expect(await client.readToEnd() == "")
            #expect(await upstream.readToEnd() == "")
        }
        try await app.stop()
    }

    @Test func everyLoopServesThePortThatTheFirstWasGiven() async throws {
        try await TestIngress.with(loops: 2) { ingress in
            for _ in 0..<8 {
                let client = try await ingress.connect()
                client.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
                #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 404 "))
            }
        }
    }

    @Test func aPortThatIsTakenIsRefusedWithTheFix() async throws {
        let taken = try await Listener.start()
        try await TestIngress.with { ingress in
            let error = await #expect(throws: IngressError.self) {
                _ = try await ingress.loops.bind(host: "127.0.0.1", port: taken.port)
            }
            #expect(error?.description.contains("SLIPWAY_INGRESS_LISTEN") == true)
        }
        try await taken.stop()
    }
}
