// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Testing

@testable import ControlPanel

private let base = "/v1/apps/acme/shop/environments/main"

@Suite struct DeploymentAPITests {
    /// A panel with the app `acme/shop`, whose branch `main` has a commit.
    private func withApp(
        _ body: @escaping @Sendable (PanelFixture, PanelClient, GitWorkspace, App) async throws -> Void
    ) async throws {
        try await PanelFixture.with { fixture in
            let workspace = try await GitWorkspace(in: fixture.folder)
            try await fixture.withAPI { api in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                let app = try #require(try await fixture.panel.apps.allApps().first)
                try await workspace.store(in: app, of: fixture)
                try await body(fixture, api, workspace, app)
            }
        }
    }

    private func succeed(_ answer: PanelAnswer, image: String, _ fixture: PanelFixture) async throws {
        let id = DeploymentID(try answer.json["id"]?.text ?? "")
        let row = try #require(
            try await fixture.pool.query("SELECT environment FROM deployments WHERE id = \(id)").first)
        let environment: EnvironmentID = try row.id("environment")
        try await fixture.apply {
            try await PanelEvents.succeeded(
                DeploymentSucceeded(
                    deployment: id, environment: environment, image: image, imageWasReused: false, instances: []),
                at: .now(), in: $0)
        }
    }

    @Test func aDeploymentTakesAllItNeedsWithIt() async throws {
        try await withApp { fixture, api, _, app in
            try await api.send(.put, base + "/variables/GREETING", #"{"value": "hello"}"#)
            let answer = try await api.send(.post, base + "/deployments", "{}")
            #expect(answer.status == 202)
            #expect(try answer.json["state"]?.text == "queued")
            #expect(try answer.json["message"]?.text == "first")
            #expect(try answer.json["createdBy"]?.text == "ada@example.org")
            let types = try await fixture.published().map(\.type)
            #expect(types == [EnvironmentDesired.type, DeploymentRequested.type])
            let record = try #require(try await fixture.published(DeploymentRequested.type).first)
            let event = try Event<DeploymentRequested>(record)
            #expect(event.data.variables["GREETING"]?.value == .plain("hello"))
            #expect(event.data.spec.build.source == .runtime(language: "python", version: "3.11"))
            #expect(event.data.source.url == "http://panel.test/git/acme/shop.git")
            let token = try fixture.controllerKey.open(
                event.data.source.token, context: SourceLocation.tokenContext(event.data.deployment))
            #expect(fixture.panel.configuration.cloneTokens.isValid(token, for: app.id, now: .now()))
        }
    }

    @Test func redeployTakesTheSameCommitWithTodaysVariables() async throws {
        try await withApp { fixture, api, workspace, app in
            let first = try await api.send(.post, base + "/deployments", "{}")
            try await succeed(first, image: "sha256:1", fixture)
            try await workspace.commit("second", files: ["x": "y"])
            try await workspace.store(in: app, of: fixture)
            try await api.send(.patch, base + "/variables", #"{"set": {"A": {"value": "1"}}}"#)
            let again = try await api.send(.post, base + "/deployments", #"{"kind": "redeploy"}"#)
            #expect(try again.json["commit"] == first.json["commit"])
            let events = try await fixture.published(DeploymentRequested.type)
                .map { try Event<DeploymentRequested>($0).data }
            #expect(events.map(\.kind) == [.push, .redeploy])
            #expect(events[0].buildIdentity == events[1].buildIdentity)
            #expect(events[1].variables["A"]?.value == .plain("1"))
        }
    }

    @Test func rollbackBringsAReleaseBackAsItWas() async throws {
        try await withApp { fixture, api, workspace, app in
            try await api.send(.put, base + "/variables/A", #"{"value": "old"}"#)
            let first = try await api.send(.post, base + "/deployments", "{}")
            try await succeed(first, image: "sha256:1", fixture)
            #expect(try await api.send(.post, base + "/deployments", #"{"kind": "rollback"}"#).status == 409)
            try await api.send(.put, base + "/variables/A", #"{"value": "new"}"#)
            try await workspace.commit("second", files: ["x": "y"])
            try await workspace.store(in: app, of: fixture)
            let second = try await api.send(.post, base + "/deployments", "{}")
            try await succeed(second, image: "sha256:2", fixture)
            let back = try await api.send(.post, base + "/deployments", #"{"kind": "rollback"}"#)
            #expect(back.status == 202)
            #expect(try back.json["number"] == .number("3"))
            #expect(try back.json["commit"] == first.json["commit"])
            #expect(try back.json["restores"] == .number("1"))
            #expect(try second.json["restores"] == .null)
            let records = try await fixture.published(DeploymentRequested.type)
            let event = try Event<DeploymentRequested>(try #require(records.last)).data
            #expect(event.image == "sha256:1")
            #expect(event.variables["A"]?.value == .plain("old"))
            let current = try await api.send(.get, base)
            #expect(try current.json["currentDeployment"]?["number"] == .number("2"))
            #expect(try current.json["latestDeployment"]?["number"] == .number("3"))
        }
    }

    @Test func aRepeatedChangeOfVariablesWithItsKeyIsDoneOnce() async throws {
        try await withApp { fixture, api, _, _ in
            try await succeed(try await api.send(.post, base + "/deployments", "{}"), image: "sha256:1", fixture)
            func change(_ secret: String) async throws -> PanelAnswer {
                try await api.send(
                    .patch, base + "/variables",
                    #"{"set": {"A": {"value": "\#(secret)", "isSecret": true}}, "deploy": true}"#,
                    headers: [Idempotency.header: "v1"])
            }
            let first = try await change("swordfish")
            let again = try await change("swordfish")
            #expect(first.status == 200 && again.status == 200)
            #expect(again.text == first.text)
            #expect(again.headers[Idempotency.replayed] == "true")
            let other = try await change("marlin")
            #expect(other.status == 422)
            #expect(try other.json["type"]?.text == "urn:slipway:problem:idempotency-key-reused")
            #expect(try await api.send(.get, base + "/deployments").json.elements.count == 2)
            let put = try await api.send(
                .put, base + "/variables/B", #"{"value": "1"}"#, headers: [Idempotency.header: "v2"])
            let unset = try await api.send(.delete, base + "/variables/B", headers: [Idempotency.header: "v3"])
            let unsetAgain = try await api.send(.delete, base + "/variables/B", headers: [Idempotency.header: "v3"])
            #expect([put, unset, unsetAgain].map(\.status) == [200, 200, 200])
        }
    }

    @Test func variablesDeployWhereThereIsARelease() async throws {
        try await withApp { fixture, api, _, _ in
            let none = try await api.send(.put, base + "/variables/A?deploy=true", #"{"value": "1"}"#)
            #expect(try none.json["deployment"] == .null)
            try await succeed(try await api.send(.post, base + "/deployments", "{}"), image: "sha256:1", fixture)
            let changed = try await api.send(
                .patch, base + "/variables", #"{"set": {"A": {"value": "2"}}, "deploy": true}"#)
            #expect(try changed.json["deployment"]?["kind"]?.text == "variables")
            let same = try await api.send(
                .patch, base + "/variables", #"{"set": {"A": {"value": "2"}}, "deploy": true}"#)
            #expect(try same.json["deployment"] == .null)
            #expect(try await api.send(.delete, base + "/variables/NONE").status == 404)
        }
    }

    @Test func whatCannotBeDeployedIsRefusedAndLeavesNothing() async throws {
        try await withApp { fixture, api, workspace, app in
            let unknown = try await api.send(.post, base + "/deployments", #"{"commit": "0123456789"}"#)
            #expect(unknown.status == 422)
            try await workspace.commit("broken", files: ["slipway.yaml": "web: 1\n"])
            try await workspace.store(in: app, of: fixture)
            let broken = try await api.send(.post, base + "/deployments", "{}")
            #expect(broken.status == 422)
            #expect(broken.text.contains("slipway.yaml"))
            #expect(try await fixture.published().isEmpty)
            #expect(try await fixture.pool.query("SELECT id FROM deployments").isEmpty)
        }
    }

    @Test func aDeploymentsLogAndEndAreRead() async throws {
        try await withApp { fixture, api, _, _ in
            let answer = try await api.send(.post, base + "/deployments", "{}")
            let id = DeploymentID(try answer.json["id"]?.text ?? "")
            let event = try Event<DeploymentRequested>(
                try #require(try await fixture.published(DeploymentRequested.type).first))
            let environment = event.data.environment
            try await fixture.apply { transaction in
                try await PanelEvents.progressed(
                    DeploymentProgressed(
                        deployment: id, environment: environment, stage: .build, message: "building", sequence: 1),
                    at: .now(), in: transaction)
                try await PanelEvents.logged(
                    LogLines(
                        environment: environment, deployment: id, instance: nil, source: .build,
                        lines: [.init(at: .now(), text: "it's \"quoted\" \\ {a,b}"), .init(at: .now(), text: "")]),
                    in: transaction)
                try await PanelEvents.failed(
                    DeploymentFailed(deployment: id, environment: environment, stage: .build, reason: "no luck"),
                    at: .now(), in: transaction)
            }
            let stream = try await api.send(.get, base + "/deployments/\(id)/log")
            #expect(stream.headers[.contentType] == "text/event-stream")
            #expect(stream.text.contains("id: 1\n"))
            #expect(stream.text.contains("event: end\ndata: {\"reason\":\"no luck\",\"state\":\"failed\""))
            let resumed = try await api.send(
                .get, base + "/deployments/\(id)/log", headers: [ServerSentEvent.lastIDHeader: "2"])
            #expect(!resumed.text.contains("id: 2\n") && resumed.text.contains("id: 3\n"))
            let list = try await api.send(.get, base + "/deployments/\(id)/log", headers: [.accept: "application/json"])
            let texts = try list.json.elements.map { $0["text"]?.text }
            #expect(texts == ["building", "it's \"quoted\" \\ {a,b}", ""])
            let shown = try await api.send(.get, base + "/deployments/\(id)")
            #expect(try shown.json["reason"]?.text == "no luck")
            #expect(try await api.send(.post, base + "/deployments/\(id)/cancel").status == 409)
        }
    }

    @Test func anInstancesLinesAreListed() async throws {
        try await withApp { fixture, api, _, app in
            let environment = try #require(try await fixture.panel.apps.environments(of: app.id).first).id
            try await fixture.apply {
                try await PanelEvents.logged(
                    LogLines(
                        environment: environment, deployment: nil, instance: InstanceID("ins_1"), source: .app,
                        lines: [.init(at: .now(), text: "one"), .init(at: .now(), text: "two")], dropped: 3), in: $0)
            }
            let list = try await api.send(.get, base + "/logs?lines=2")
            #expect(try list.json.elements.map { $0["text"]?.text } == ["one", "two"])
            #expect(try list.json[0]?["instance"]?.text == "ins_1")
            #expect(try await api.send(.get, base + "/logs?lines=x").status == 422)
        }
    }

    @Test func cancellingAsksTheController() async throws {
        try await withApp { fixture, api, _, _ in
            let answer = try await api.send(.post, base + "/deployments", "{}")
            let id = try #require(try answer.json["id"]?.text)
            #expect(try await api.send(.post, base + "/deployments/\(id)/cancel").status == 202)
            let record = try #require(try await fixture.published(DeploymentCancelRequested.type).first)
            #expect(try Event<DeploymentCancelRequested>(record).data.deployment.rawValue == id)
        }
    }

    @Test func eventsOfWhatIsGoneChangeNothing() async throws {
        try await PanelFixture.with { fixture in
            let (id, environment) = (DeploymentID.generate(), EnvironmentID.generate())
            try await fixture.apply { transaction in
                try await PanelEvents.succeeded(
                    DeploymentSucceeded(
                        deployment: id, environment: environment, image: "x", imageWasReused: false, instances: []),
                    at: .now(), in: transaction)
                try await PanelEvents.logged(
                    LogLines(
                        environment: environment, deployment: id, instance: nil, source: .build,
                        lines: [.init(at: .now(), text: "x")]), in: transaction)
                try await PanelEvents.logged(
                    LogLines(
                        environment: environment, deployment: nil, instance: nil, source: .app,
                        lines: [.init(at: .now(), text: "x")]), in: transaction)
            }
            #expect(try await fixture.pool.query("SELECT 1 AS one FROM deployment_log").isEmpty)
        }
    }
}
