// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

/// Whose an event is, as far as the event itself tells.
enum FeedOwner: Sendable, Hashable {
    case organisation(name: String)
    case environment(EnvironmentID)
    case deployment(DeploymentID)
}

/// An event that the organisation it belongs to finds in its feed.
protocol FeedPayload: EventPayload {
    var owner: FeedOwner { get }

    /// What the event changes in the panel.
    func apply(at time: Timestamp, in transaction: PostgresConnection) async throws
}

extension FeedPayload {
    func apply(at _: Timestamp, in _: PostgresConnection) async throws {}
}

enum FeedPayloads {
    /// Every public event type of the catalogue, which a test holds this list to, but for log lines: they are many, and
    /// have streams of their own. State records are not events: what is true now is to be had from the API.
    static let all: [any FeedPayload.Type] = [
        DeploymentProgressed.self, DeploymentSucceeded.self, DeploymentFailed.self, BuildSucceeded.self,
        BuildFailed.self, UsageRecorded.self,
    ]

    static let types: [String] = all.map { $0.type }
}

extension DeploymentProgressed: FeedPayload {
    var owner: FeedOwner { .environment(environment) }

    func apply(at time: Timestamp, in transaction: PostgresConnection) async throws {
        try await PanelEvents.progressed(self, at: time, in: transaction)
    }
}

extension DeploymentSucceeded: FeedPayload {
    var owner: FeedOwner { .environment(environment) }

    func apply(at time: Timestamp, in transaction: PostgresConnection) async throws {
        try await PanelEvents.succeeded(self, at: time, in: transaction)
    }
}

extension DeploymentFailed: FeedPayload {
    var owner: FeedOwner { .environment(environment) }

    func apply(at time: Timestamp, in transaction: PostgresConnection) async throws {
        try await PanelEvents.failed(self, at: time, in: transaction)
    }
}

extension BuildSucceeded: FeedPayload {
    var owner: FeedOwner { .deployment(deployment) }
}

extension BuildFailed: FeedPayload {
    var owner: FeedOwner { .deployment(deployment) }
}

extension UsageRecorded: FeedPayload {
    var owner: FeedOwner { .organisation(name: organisation) }
}
