// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import TestSupport
import Testing

@testable import ControlPanel

@Suite struct GitPushTests {
    /// A server with the app `acme/shop`.
    private func withServer(
        hook: [String] = ["/bin/true"],
        _ body: @escaping @Sendable (PanelFixture, GitWorkspace, _ url: String) async throws -> Void
    ) async throws {
        try await PanelFixture.with(hook: hook) { fixture in
            let workspace = try await GitWorkspace(in: fixture.folder)
            try await fixture.withServer { api, port in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                try await body(fixture, workspace, "http://any:\(fixture.token)@localhost:\(port)/git/acme/shop.git")
            }
        }
    }

    /// Plays the rest of the platform for the next deployment that appears.
    private func finishNextDeployment(_ fixture: PanelFixture, failing reason: String? = nil) async throws {
        try await eventually("a deployment appears") {
            try await !fixture.pool.query("SELECT id FROM deployments WHERE state = 'queued'").isEmpty
        }
        let row = try await fixture.pool.query("SELECT id, environment FROM deployments WHERE state = 'queued'").first
        guard let row else { return }
        let id: DeploymentID = try row.id("id")
        let environment: EnvironmentID = try row.id("environment")
        try await fixture.apply { transaction in
            try await PanelEvents.progressed(
                DeploymentProgressed(
                    deployment: id, environment: environment, stage: .build, message: "installing", sequence: 1),
                at: .now(), in: transaction)
            if let reason {
                try await PanelEvents.failed(
                    DeploymentFailed(deployment: id, environment: environment, stage: .build, reason: reason),
                    at: .now(), in: transaction)
            } else {
                try await PanelEvents.succeeded(
                    DeploymentSucceeded(
                        deployment: id, environment: environment, image: "sha256:1", imageWasReused: false,
                        instances: []), at: .now(), in: transaction)
            }
        }
        fixture.panel.notifier.raise(environment.rawValue)
    }

    @Test func aPushDeploysAndShowsTheLogToTheURL() async throws {
        try await withServer { fixture, workspace, url in
            async let push = workspace.attempt(["push", url, "main"])
            try await finishNextDeployment(fixture)
            let result = try await push
            #expect(result.isSuccess, "\(result.message)")
            let texts = ["remote: Deployment #1 of main", "==> build", "installing", "http://shop-acme.apps.test"]
            for expected in texts {
                #expect(result.message.contains(expected), "\(expected)")
            }
            #expect(try await workspace.attempt(["push", url, "main"]).message.contains("up-to-date"))
        }
    }

    @Test func aFailedDeploymentTellsWhyAndThePushIsStored() async throws {
        try await withServer { fixture, workspace, url in
            async let push = workspace.attempt(["push", url, "main"])
            try await finishNextDeployment(fixture, failing: "pip cannot find flaskk")
            let result = try await push
            #expect(result.isSuccess)
            #expect(result.message.contains("failed in stage build"))
            #expect(result.message.contains("pip cannot find flaskk"))
        }
    }

    @Test func aBranchWithoutEnvironmentIsStoredAndNotDeployed() async throws {
        try await withServer { fixture, workspace, url in
            let result = try await workspace.attempt(["push", url, "main:refs/heads/feature"])
            #expect(result.isSuccess)
            #expect(result.message.contains("slipway environments create feature"))
            #expect(try await fixture.published(DeploymentRequested.type).isEmpty)
        }
    }

    @Test func whatTheHookRefusesIsNotStored() async throws {
        let hook = ["/bin/sh", "-c", "echo 'slipway.yaml:1: no' >&2; exit 1"]
        try await withServer(hook: hook) { fixture, workspace, url in
            let result = try await workspace.attempt(["push", url, "main"])
            #expect(!result.isSuccess)
            #expect(result.message.contains("remote: slipway.yaml:1: no"))
            #expect(try await fixture.pool.query("SELECT id FROM deployments").isEmpty)
        }
    }

    @Test func withoutCredentialsOrAppThePushIsRefusedInPlainWords() async throws {
        try await withServer { fixture, workspace, url in
            let anonymous = url.replacing("any:\(fixture.token)@", with: "")
            #expect(try await !workspace.attempt(["push", anonymous, "main"]).isSuccess)
            let wrongToken = url.replacing(fixture.token, with: TokenSecret.generate().text)
            #expect(
                try await workspace.attempt(["push", wrongToken, "main"]).message.contains("Authentication failed"))
            let missing = try await workspace.attempt(["push", url.replacing("shop", with: "nothing"), "main"])
            #expect(missing.message.contains("There is no app acme/nothing"))
        }
    }

    @Test func aViewerFetchesAndDoesNotPush() async throws {
        try await withServer { fixture, workspace, url in
            let viewer = try await fixture.user("vic@example.org", role: .viewer)
            let theirs = url.replacing(fixture.token, with: viewer)
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            #expect(try await workspace.attempt(["ls-remote", theirs]).text.contains("refs/heads/main"))
            let push = try await workspace.attempt(["push", theirs, "main:refs/heads/x"])
            #expect(!push.isSuccess)
            #expect(push.message.contains("the role developer in acme"))
        }
    }

    @Test func aBuilderClonesWithItsTokenAndPushesNothing() async throws {
        try await withServer { fixture, workspace, url in
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            let token = fixture.panel.configuration.cloneTokens.issue(for: app.id, now: .now())
            let theirs = url.replacing(fixture.token, with: token)
            let clone = try await workspace.attempt(["clone", "--quiet", theirs, fixture.folder + "/clone"])
            #expect(clone.isSuccess, "\(clone.message)")
            #expect(try await !workspace.attempt(["push", theirs, "main:refs/heads/x"]).isSuccess)
        }
    }

    @Test func aPushThatNobodyDeployedIsMadeGood() async throws {
        try await withServer { fixture, workspace, _ in
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            let logger = fixture.panel.logger
            #expect(try await fixture.panel.pushes.deploy(app: app, by: nil, logger: logger).count == 1)
            #expect(try await fixture.panel.pushes.deploy(app: app, by: nil, logger: logger).isEmpty)
            #expect(try await fixture.published(DeploymentRequested.type).count == 1)
        }
    }

    @Test func twoProcessesThatFindTheSamePushDeployItOnce() async throws {
        try await withServer { fixture, workspace, _ in
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            let logger = fixture.panel.logger
            let pushes = fixture.panel.pushes
            async let first = pushes.deploy(app: app, by: nil, logger: logger).count
            async let second = pushes.deploy(app: app, by: nil, logger: logger).count
            let sum = try await first + second
            #expect(sum == 1)
        }
    }
}
