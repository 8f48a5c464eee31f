// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import ControlPanel

@Suite struct SecretTests {
    private static let sentinel = "sentinel-5f1c9a7e-do-not-keep"
    private static let tables = [
        "users", "organisations", "memberships", "tokens", "idempotency_keys", "apps", "environments", "variables",
        "removed_repositories", "deployments", "deployment_log", "app_logs", "outbox", "inbox",
    ]

    @Test func aSecretIsNowhereReadable() async throws {
        try await PanelFixture.with { fixture in
            let workspace = try await GitWorkspace(in: fixture.folder)
            let base = "/v1/apps/acme/shop/environments/main"
            let answers = try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                let app = try #require(try await fixture.panel.apps.allApps().first)
                try await workspace.store(in: app, of: fixture)
                let secret = #"{"value": "\#(Self.sentinel)", "isSecret": true, "visibleInBuild": true}"#
                return [
                    try await api.send(
                        .put, base + "/variables/API_KEY", secret, headers: [Idempotency.header: "once"]),
                    try await api.send(.patch, base + "/variables", #"{"set": {"API_KEY": \#(secret), "B": 1}}"#),
                    try await api.send(.get, base + "/variables"),
                    try await api.send(.post, base + "/deployments", "{}"),
                    try await api.send(.get, base),
                ]
            }
            #expect(answers.map(\.status) == [200, 422, 200, 202, 200])
            for answer in answers { #expect(!answer.text.contains(Self.sentinel)) }
            #expect(!fixture.logs.text.contains(Self.sentinel))
            for table in Self.tables {
                let rows = try await fixture.pool.query(
                    "SELECT row_to_json(t)::text AS row FROM \(identifier: table) t")
                for row in rows { #expect(try !row.string("row").contains(Self.sentinel), "\(table)") }
            }
            // And yet the controller gets it.
            let record = try #require(try await fixture.published(DeploymentRequested.type).first)
            let event = try Event<DeploymentRequested>(record).data
            guard case .sealed(let sealed)? = event.variables["API_KEY"]?.value else {
                Issue.record("the variable is not sealed")
                return
            }
            let context = Variable.context(event.environment, "API_KEY")
            #expect(try fixture.controllerKey.open(sealed, context: context) == Self.sentinel)
        }
    }

    @Test func valuesThatNoEnvironmentCanHoldAreRefusedByName() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                let path = "/v1/apps/acme/shop/environments/main/variables"
                let null = try await api.send(.patch, path, #"{"set": {"A": {"value": "x\u0000"}}}"#)
                #expect(null.status == 422)
                #expect(try null.json["errors"]?[0]?["field"]?.text == "set.A.value")
                #expect(try await api.send(.get, path).json.elements.isEmpty)
            }
        }
    }
}
