// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Testing

@testable import ControlPanel

@Suite struct AppAPITests {
    @Test func anAppComesWithRepositoryAndMainEnvironment() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let created = try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                #expect(created.status == 201)
                #expect(created.headers[.location] == "/v1/apps/acme/shop")
                #expect(try created.json["gitUrl"]?.text == "http://panel.test/git/acme/shop.git")
                let shown = try await api.send(.get, "/v1/apps/acme/shop")
                let environment = try #require(try shown.json["environments"]?[0])
                #expect(environment["name"]?.text == "main")
                #expect(environment["url"]?.text == "http://shop-acme.apps.test")
                #expect(environment["currentDeployment"] == .null)
                #expect(try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#).status == 409)
                let repository = fixture.folder + "/repositories/acme/shop.git/HEAD"
                #expect(FileManager.default.fileExists(atPath: repository))
            }
        }
    }

    @Test func hostnamesDoNotClash() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "b"}"#)
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "a-b"}"#)
                let taken = try await api.send(
                    .post, "/v1/apps/acme/b/environments", #"{"name": "a", "branch": "x"}"#)
                #expect(try taken.json["hostname"]?.text == "a-b-acme-2.apps.test")
            }
        }
    }

    @Test func othersThingsDoNotExist() async throws {
        try await PanelFixture.with { fixture in
            let stranger = try await fixture.user("eve@example.org", role: nil)
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                for path in ["organisations/acme", "organisations/acme/apps", "apps/acme/shop"] {
                    #expect(try await api.send(.get, "/v1/\(path)", token: stranger).status == 404, "\(path)")
                }
                #expect(try await api.send(.delete, "/v1/apps/acme/shop", token: stranger).status == 404)
            }
        }
    }

    @Test func rolesDecideWhatAMemberMay() async throws {
        try await PanelFixture.with { fixture in
            let viewer = try await fixture.user("vic@example.org", role: .viewer)
            let developer = try await fixture.user("dev@example.org", role: .developer)
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                #expect(try await api.send(.get, "/v1/apps/acme/shop", token: viewer).status == 200)
                let variables = "/v1/apps/acme/shop/environments/main/variables"
                #expect(try await api.send(.get, variables, token: viewer).status == 403)
                #expect(try await api.send(.get, variables, token: developer).status == 200)
                let refused = try await api.send(.delete, "/v1/apps/acme/shop", token: developer)
                #expect(refused.status == 403)
                #expect(refused.text.contains("the role owner in acme"))
            }
        }
    }

    @Test func aDeletedAppLeavesATombstoneForEachEnvironmentAndNoRepository() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                try await api.send(.post, "/v1/apps/acme/shop/environments", #"{"name": "staging"}"#)
                #expect(try await api.send(.delete, "/v1/apps/acme/shop").status == 204)
                #expect(try await api.send(.get, "/v1/apps/acme/shop").status == 404)
            }
            let tombstones = try await fixture.published(EnvironmentDesired.type)
            #expect(tombstones.count == 2)
            #expect(tombstones.allSatisfy { $0.value == nil && $0.topic == "environments" })
            #expect(!FileManager.default.fileExists(atPath: fixture.folder + "/repositories/acme/shop.git"))
            #expect(try await fixture.pool.query("SELECT * FROM removed_repositories").isEmpty)
        }
    }

    @Test func anAppOfAnOldNameDoesNotGetTheOldRepository() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                let repository = fixture.folder + "/repositories/acme/shop.git"
                try Data("x".utf8).write(to: URL(filePath: repository + "/left-over"))
                // As if the process had ended between the database and the files.
                let row = try #require(try await fixture.pool.query("SELECT id FROM apps").first)
                try await fixture.pool.query("DELETE FROM apps WHERE id = \(row.string("id"))")
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                #expect(FileManager.default.fileExists(atPath: repository + "/HEAD"))
                #expect(!FileManager.default.fileExists(atPath: repository + "/left-over"))
            }
        }
    }

    @Test func aRepeatedRequestWithItsKeyIsAnsweredAgainAndDoneOnce() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let path = "/v1/organisations/acme/apps"
                let first = try await api.send(
                    .post, path, #"{"name": "shop"}"#, headers: [Idempotency.header: "k1"])
                let again = try await api.send(
                    .post, path, #"{"name": "shop"}"#, headers: [Idempotency.header: "k1"])
                #expect(again.status == 201)
                #expect(again.text == first.text)
                #expect(again.headers[Idempotency.replayed] == "true")
                let other = try await api.send(
                    .post, path, #"{"name": "blog"}"#, headers: [Idempotency.header: "k1"])
                #expect(other.status == 422)
                #expect(try other.json["type"]?.text == "urn:slipway:problem:idempotency-key-reused")
            }
            #expect(try await fixture.pool.query("SELECT id FROM apps").count == 1)
        }
    }

    @Test func aKeyInUseIsAConflictAndARepeatedTokenIsNotShownAgain() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let first = try await api.send(
                    .post, "/v1/tokens", #"{"name": "x"}"#, headers: [Idempotency.header: "k2"])
                let again = try await api.send(
                    .post, "/v1/tokens", #"{"name": "x"}"#, headers: [Idempotency.header: "k2"])
                #expect(try again.json["id"] == first.json["id"])
                #expect(try again.json["token"] == .null)
                let user = try await api.send(.get, "/v1/user").json["id"]?.text ?? ""
                let lock = "idempotency \(user) k3"
                try await fixture.pool.withTransaction { other in
                    try await other.query("SELECT pg_advisory_xact_lock(hashtextextended(\(lock), 0))")
                    let busy = try await api.send(
                        .post, "/v1/tokens", #"{"name": "x"}"#, headers: [Idempotency.header: "k3"])
                    #expect(busy.status == 409)
                }
            }
        }
    }
}
