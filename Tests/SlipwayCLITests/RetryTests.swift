// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct RetryPolicyTests {
    @Test func waitsGrowAndEnd() {
        let delays = (1...4).map { RetryPolicy.delay(afterAttempts: $0, isRepeatable: true, failure: .interrupted) }
        #expect(delays == [.milliseconds(250), .milliseconds(500), .seconds(1), nil])
    }

    @Test func whatMayHaveBeenDoneIsNotDoneTwice() {
        #expect(RetryPolicy.delay(afterAttempts: 1, isRepeatable: false, failure: .interrupted) == nil)
        #expect(RetryPolicy.delay(afterAttempts: 1, isRepeatable: false, failure: .notConnected) != nil)
        #expect(RetryPolicy.delay(afterAttempts: 1, isRepeatable: true, failure: .idle) == nil)
    }

    @Test func aRequestThatChangesIsRepeatableWithItsKeyOnly() {
        for method in [RequestMethod.post, .patch] {
            #expect(RetryPolicy.isRepeatable(method, hasIdempotencyKey: true))
            #expect(!RetryPolicy.isRepeatable(method, hasIdempotencyKey: false))
        }
        #expect(RetryPolicy.isRepeatable(.get, hasIdempotencyKey: false))
        #expect(!RetryPolicy.isRepeatable(.delete, hasIdempotencyKey: false))
    }

    @Test func reconnectingEndsWhenItBringsNothing() {
        var policy = ReconnectPolicy()
        var delays: [Duration] = []
        while let delay = policy.delay(after: .broken, wasUseful: false) { delays.append(delay) }
        #expect(delays.count == CLILimits.fruitlessReconnectionsMax)
        #expect(delays.first == CLILimits.reconnectDelay)
        #expect(delays.last == CLILimits.reconnectDelayMax)
    }

    @Test func aLogThatHasNothingToSayIsWaitedFor() {
        var policy = ReconnectPolicy()
        for _ in 0..<100 { #expect(policy.delay(after: .idle, wasUseful: false) == .zero) }
    }

    @Test func dataMakesReconnectingWorthwhileAgain() {
        var policy = ReconnectPolicy()
        for _ in 0..<100 { #expect(policy.delay(after: .broken, wasUseful: true) == CLILimits.reconnectDelay) }
    }

    @Test func idempotencyKeysHave128Bits() {
        var generator = SplitMix(state: 1)
        let key = IdempotencyKey.generate(using: &generator)
        #expect(key.count == 36)
        #expect(key != IdempotencyKey.generate(using: &generator))
    }
}

struct PanelClientTests {
    private let refused = TransportFailure(kind: .notConnected, reason: "connection refused")

    @Test func aReadThatCannotConnectIsTriedAgain() async throws {
        let surroundings = FakeSurroundings([.failure(refused), .failure(refused), .json("[]")])
        let document = try await PanelClient.fake(surroundings).get(RequestPath("v1", "tokens"))
        #expect(document.bytes == Array("[]".utf8))
        #expect(surroundings.pausesTaken.count == 2)
        let request = try #require(surroundings.transport.requests.first)
        #expect(request.url == "http://panel.test:8080/v1/tokens")
        #expect(request.headers["Authorization"] == "Bearer slp_secret")
    }

    @Test func anUnreachablePanelIsNamedWithTheFix() async throws {
        let surroundings = FakeSurroundings([FakeTransport.Answer](repeating: .failure(refused), count: 4))
        let client = try PanelClient.fake(surroundings)
        let error = await #expect(throws: CLIError.self) { try await client.get(RequestPath("v1", "user")) }
        #expect(error?.message == "cannot reach http://panel.test:8080: connection refused")
        #expect(error?.hint?.contains("slipway login") == true)
    }

    @Test func allAttemptsToCreateCarryOneKey() async throws {
        let broken = TransportFailure(kind: .interrupted, reason: "closed")
        let surroundings = FakeSurroundings([.failure(broken), .json("{}", status: 201)])
        _ = try await PanelClient.fake(surroundings).post(
            RequestPath("v1", "organisations"), NewOrganisation(name: "a"))
        let requests = surroundings.transport.requests
        #expect(requests.map { $0.headers["Idempotency-Key"] } == ["key-1", "key-1"])
        #expect(requests.allSatisfy { $0.body == Array(#"{"name":"a"}"#.utf8) })
    }

    @Test func aChangeThatMayHaveBeenMadeIsSentAgainWithItsKey() async throws {
        let surroundings = FakeSurroundings([.failure(.init(kind: .interrupted, reason: "closed")), .json("[]")])
        #expect(try await surroundings.run("env", "set", "--no-deploy", "A=b") == 0)
        let requests = surroundings.transport.requests
        #expect(requests.map(\.method) == [.patch, .patch])
        #expect(requests.map { $0.headers["Idempotency-Key"] } == ["key-1", "key-1"])
    }

    @Test func aDeletionThatMayHaveHappenedIsNotRepeated() async throws {
        let broken = TransportFailure(kind: .interrupted, reason: "closed")
        let surroundings = FakeSurroundings([.failure(broken)])
        let client = try PanelClient.fake(surroundings)
        await #expect(throws: CLIError.self) { try await client.delete(RequestPath("v1", "tokens", "tok_1")) }
        #expect(surroundings.transport.requests.count == 1)
    }

    @Test func aProblemIsRenderedWithFieldsAndHint() throws {
        let body = #"""
            {"type":"about:blank","title":"Invalid name","status":422,"detail":"It is taken.",
             "errors":[{"field":"name","message":"choose another"}],"requestId":"req_1"}
            """#
        let panel = try #require(PanelAddress("http://panel.test"))
        let error = CLIError(WireResponse(status: 422, body: Array(body.utf8)), from: panel)
        #expect(error.rendered() == "slipway: Invalid name: It is taken.\n  name: choose another")
        let failed = CLIError(
            WireResponse(status: 500, body: Array(#"{"title":"Internal error","requestId":"req_2"}"#.utf8)), from: panel
        )
        #expect(failed.hint?.contains("req_2") == true)
    }

    @Test(arguments: [(401, "slipway login"), (404, "Is this the address"), (302, "https://new.test"), (429, "in 7 s")])
    func anAnswerThatIsNoProblemStillHasAHint(status: Int, hint: String) throws {
        let panel = try #require(PanelAddress("http://panel.test"))
        let headers = ["location": "https://new.test", "retry-after": "7"]
        let error = CLIError(
            WireResponse(status: status, headers: headers, body: Array("<html>".utf8)), from: panel)
        #expect(error.message == "http://panel.test answered with status \(status)")
        #expect(error.hint?.contains(hint) == true)
    }
}

struct EventStreamFollowerTests {
    private let broken = TransportFailure(kind: .interrupted, reason: "closed")

    private func follow(_ surroundings: FakeSurroundings) async throws -> [String] {
        var seen: [String] = []
        let stream = EventStreamRequest(
            path: RequestPath("log"), query: [QueryItem("lines", "100")], resumingQuery: [QueryItem("lines", "0")])
        try await PanelClient.fake(surroundings).follow(stream) { event in
            seen.append(event.data)
            return event.name == "end" ? .stop : .proceed
        }
        return seen
    }

    @Test func aBrokenStreamIsTakenUpBehindTheLastID() async throws {
        let surroundings = FakeSurroundings([
            .events("id: 4\ndata: a\n\n", then: broken), .events("id: 5\ndata: b\n\nevent: end\ndata: c\n\n"),
        ])
        #expect(try await follow(surroundings) == ["a", "b", "c"])
        let requests = surroundings.transport.requests
        #expect(requests.map { $0.headers["Last-Event-ID"] } == [nil, "4"])
        #expect(requests.allSatisfy { $0.url.hasSuffix("?lines=100") })
    }

    @Test func aStreamWithoutIDsIsNotReadTwice() async throws {
        let surroundings = FakeSurroundings([.events("data: a\n\n"), .events("event: end\ndata: b\n\n")])
        #expect(try await follow(surroundings) == ["a", "b"])
        #expect(surroundings.transport.requests.last?.url.hasSuffix("?lines=0") == true)
    }

    @Test func aRefusalIsNotRepeated() async throws {
        let surroundings = FakeSurroundings([.json(#"{"title":"Not found"}"#, status: 404)])
        await #expect(throws: CLIError.self) { try await follow(surroundings) }
        #expect(surroundings.transport.requests.count == 1)
    }

    @Test func aPanelThatStaysAwayIsGivenUp() async throws {
        let answers = [FakeTransport.Answer](
            repeating: .failure(broken), count: CLILimits.fruitlessReconnectionsMax + 1)
        let surroundings = FakeSurroundings(answers)
        let error = await #expect(throws: CLIError.self) { try await follow(surroundings) }
        #expect(error?.message.contains("broke off") == true)
        #expect(surroundings.transport.requests.count == answers.count)
    }
}
