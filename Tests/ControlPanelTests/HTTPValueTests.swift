// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Testing

@testable import ControlPanel

@Suite struct BodyPolicyTests {
    private func head(_ path: String, _ headers: HTTPFields = [:]) -> HTTPRequest {
        HTTPRequest(method: .post, scheme: nil, authority: nil, path: path, headerFields: headers)
    }

    @Test func aBodyThatIsAnnouncedTooLargeIsRefusedBeforeItIsRead() {
        var policy = BodyPolicy()
        let request = head("/v1/tokens", [.contentLength: "104857600"])
        #expect(policy.received(request) == .refuse(request, limit: PanelLimits.requestBodyBytesMax))
        #expect(policy.receivedBody(1000) == .discard)
        #expect(policy.receivedBody(PanelLimits.refusedBodyBytesMax) == .close)
    }

    @Test func theEndOfARefusedBodyClosesTheConnection() {
        var policy = BodyPolicy()
        _ = policy.received(head("/v1/tokens", [.contentLength: "2000000"]))
        #expect(policy.receivedEnd() == .close)
    }

    @Test func pushesMayBeLarger() {
        var policy = BodyPolicy()
        #expect(policy.received(head("/git/a/b.git/git-receive-pack", [.contentLength: "104857600"])) == .pass)
        #expect(BodyPolicy.limit(forPath: "/git/a/b.git/x") > PanelLimits.repositoryInputBytesMax)
        #expect(BodyPolicy.limit(forPath: "/gitx") == PanelLimits.requestBodyBytesMax)
    }

    @Test func anAnnouncedBodyIsInvitedWhereItIsWelcome() {
        var policy = BodyPolicy()
        #expect(policy.received(head("/v1/tokens", [.expect: "100-continue", .contentLength: "5"])) == .invite)
        var other = BodyPolicy()
        let large = head("/v1/tokens", [.expect: "100-continue", .contentLength: "5000000"])
        #expect(other.received(large) == .refuse(large, limit: PanelLimits.requestBodyBytesMax))
    }

    @Test func aBodyThatGoesOnAfterItsAnswerIsCutOff() {
        var policy = BodyPolicy()
        #expect(policy.received(head("/v1/tokens")) == .pass)
        #expect(policy.receivedBody(PanelLimits.requestBodyBytesMax + 1) == .pass)
        policy.answered()
        #expect(policy.receivedBody(PanelLimits.refusedBodyBytesMax + 1) == .close)
    }
}

@Suite struct RouteTableTests {
    private let table = RouteTable([
        ("/", .get), ("/v1/apps/{org}/{app}", .get), ("/v1/apps/{org}/{app}", .delete),
        ("/git/{org}/{app}.git/info/refs", .get),
    ])

    @Test func methodsOfAPathAreKnown() {
        #expect(table.methods(at: "/v1/apps/a/b") == [.get, .delete])
        #expect(table.methods(at: "/git/a/b.git/info/refs") == [.get])
        #expect(table.methods(at: "/") == [.get])
    }

    @Test func otherPathsHaveNone() {
        #expect(table.methods(at: "/v1/apps/a").isEmpty)
        #expect(table.methods(at: "/git/a/b/info/refs").isEmpty)
        #expect(table.methods(at: "/v1/apps/a/b/c").isEmpty)
    }
}

@Suite struct RequestFingerprintTests {
    private func fingerprint(
        _ secret: String = "a key", _ method: HTTPRequest.Method = .put, _ path: String = "/v1/a", _ body: String = "b"
    ) -> [UInt8] {
        RequestFingerprints(secret: secret).fingerprint(method: method, path: path, body: Array(body.utf8))
    }

    @Test func theSameRequestHasTheSameFingerprintAndNoOtherHas() {
        #expect(fingerprint() == fingerprint())
        let others = [
            fingerprint("another key"), fingerprint("a key", .patch), fingerprint("a key", .put, "/v1/b"),
            fingerprint("a key", .put, "/v1/a", "c"),
        ]
        #expect(Set(others + [fingerprint()]).count == 5)
    }

    @Test func theKeyDoesNotShow() {
        var dumped = ""
        dump(RequestFingerprints(secret: "a key"), to: &dumped)
        #expect(!dumped.contains("a key") && !dumped.contains("SymmetricKey"))
    }
}

@Suite struct RequestIdentifierTests {
    @Test func aHarmlessIdOfTheCallersIsKept() {
        #expect(RequestIdentifier.of([RequestIdentifier.header: "abc-1.2_3"]) == "abc-1.2_3")
    }

    @Test(arguments: ["a b", "ä", "", String(repeating: "x", count: 65), "a\"b"])
    func otherIdsAreReplaced(id: String) {
        #expect(!RequestIdentifier.isValid(id))
        #expect(RequestIdentifier.of([:]).hasPrefix("req_"))
    }
}

@Suite struct ProblemTests {
    @Test func aProblemIsAnObjectOfItsParts() throws {
        let text = Problem.invalid([.init(field: "name", message: "is missing")]).body(requestID: "r1", path: "/v1/x")
        let json = try JSONParser.parse(Array(text.utf8))
        #expect(json["type"]?.text == "urn:slipway:problem:invalid")
        #expect(json["status"] == .number("422"))
        #expect(json["errors"]?[0]?["field"]?.text == "name")
        #expect(json["requestId"]?.text == "r1")
        #expect(json["instance"]?.text == "/v1/x")
    }
}

extension JSON {
    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    subscript(_ index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }
}
