// SPDX-License-Identifier: Apache-2.0
import Domain
import HTTPTypes
import Testing

@testable import ControlPanel

@Suite struct AccountAPITests {
    @Test func theTokensOwnerIsTold() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let answer = try await api.send(.get, "/v1/user")
                #expect(answer.status == 200)
                #expect(try answer.json["email"]?.text == "ada@example.org")
                #expect(try answer.json["organisations"]?[0]?["role"]?.text == "owner")
            }
        }
    }

    @Test func withoutAValidTokenNothingIsAnswered() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                for token in ["", "slp_wrong", TokenSecret.generate().text] {
                    let answer = try await api.send(.get, "/v1/user", token: token)
                    #expect(answer.status == 401)
                    #expect(answer.headers[.contentType] == "application/problem+json")
                    #expect(answer.headers[.wwwAuthenticate] != nil)
                }
            }
        }
    }

    @Test func tokensAreStoredHashedExpireAndCanBeRevoked() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let created = try await api.send(.post, "/v1/tokens", #"{"name": "laptop", "expiresInDays": 1}"#)
                #expect(created.status == 201)
                let token = try #require(try created.json["token"]?.text)
                let id = try #require(try created.json["id"]?.text)
                #expect(try await api.send(.get, "/v1/user", token: token).status == 200)
                let listed = try await api.send(.get, "/v1/tokens")
                #expect(listed.text.contains(id) && !listed.text.contains(token))
                #expect(try await api.send(.delete, "/v1/tokens/\(id)").status == 204)
                #expect(try await api.send(.get, "/v1/user", token: token).status == 401)
                #expect(try await api.send(.delete, "/v1/tokens/\(id)").status == 404)
            }
            let dump = try await fixture.pool.query("SELECT row_to_json(tokens)::text AS row FROM tokens")
            #expect(try dump.allSatisfy { try !$0.string("row").contains(fixture.token) })
        }
    }

    @Test func anExpiredTokenIsRefused() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.pool.query("UPDATE tokens SET expires_at = now() - interval '1 second'")
            try await fixture.withAPI { api in
                let answer = try await api.send(.get, "/v1/user")
                #expect(answer.status == 401)
                #expect(answer.text.contains("expired"))
            }
        }
    }

    @Test func whatIsWrongInARequestIsNamed() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let malformed = try await api.send(.post, "/v1/organisations", #"{"name": "#)
                #expect(malformed.status == 400)
                #expect(try malformed.json["errors"]?[0]?["field"]?.text == "name")
                let unknown = try await api.send(.post, "/v1/organisations", #"{"name": "beta", "plan": "x"}"#)
                #expect(unknown.status == 422)
                #expect(try unknown.json["errors"]?[0]?["field"]?.text == "plan")
                #expect(try await api.send(.post, "/v1/organisations", #"{"name": "acme"}"#).status == 409)
            }
        }
    }

    @Test func unknownPathsAndMethodsAreProblems() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let missing = try await api.send(.get, "/v1/nothing")
                #expect(missing.status == 404)
                #expect(missing.headers[.contentType] == "application/problem+json")
                let wrong = try await api.send(.delete, "/v1/user", headers: [RequestIdentifier.header: "mine-1"])
                #expect(wrong.status == 405)
                #expect(wrong.headers[.allow] == "GET")
                #expect(wrong.headers[RequestIdentifier.header] == "mine-1")
                #expect(try wrong.json["requestId"]?.text == "mine-1")
                #expect(wrong.headers[.xContentTypeOptions] == "nosniff")
            }
        }
    }

    @Test func aBodyOverTheLimitIsRefused() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let body = #"{"name": ""# + String(repeating: "x", count: PanelLimits.requestBodyBytesMax) + #""}"#
                let value97 = try await api.send(.post, "/v1/organisations", body).status
                #expect(value97 == 413)
            }
        }
    }
}
