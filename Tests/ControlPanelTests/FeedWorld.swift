// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import ControlPanel

/// A panel with the app `acme/shop`, and a way to put events into its feed.
struct FeedWorld: Sendable {
    static let path = "/v1/organisations/acme/events"

    let fixture: PanelFixture
    let organisation: OrganisationID
    let environment: EnvironmentID

    var feed: FeedStore { fixture.panel.feed }

    static func with(_ body: @escaping @Sendable (FeedWorld) async throws -> Void) async throws {
        try await PanelFixture.with { try await body(try await make($0)) }
    }

    static func make(_ fixture: PanelFixture) async throws -> FeedWorld {
        try await fixture.withAPI { api in
            _ = try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
        }
        let app = try #require(try await fixture.panel.apps.allApps().first)
        let environment = try #require(try await fixture.panel.apps.environments(of: app.id).first)
        return FeedWorld(fixture: fixture, organisation: app.organisationID, environment: environment.id)
    }

    func event(_ message: String) -> Event<DeploymentProgressed> {
        Event(
            source: "/slipway/controller",
            data: DeploymentProgressed(
                deployment: DeploymentID("dpl_1"), environment: environment, stage: .build, message: message,
                sequence: 1))
    }

    func addDeployment(_ id: DeploymentID) async throws {
        try await fixture.pool.query(
            """
            INSERT INTO deployments (id, environment, number, kind, state, stage, commit_id, message, snapshot)
            VALUES (\(id), \(environment), 1, 'push', 'running', 'build', 'c0ffee', 'A change', '{}')
            """)
    }

    /// Each in a transaction of its own, as its handler has it, and with the wake-up that follows its commit.
    func append(_ messages: String...) async throws {
        for message in messages {
            try await fixture.apply { _ = try await FeedStore.append(event(message), in: $0) }
            fixture.panel.notifier.raise(organisation.rawValue)
        }
    }
}
