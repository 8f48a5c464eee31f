// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

enum DeploymentState: String, Codable, Sendable, CaseIterable {
    case queued, running, succeeded, failed, cancelled

    var isFinal: Bool {
        switch self {
        case .queued, .running: false
        case .succeeded, .failed, .cancelled: true
        }
    }
}

/// Everything of a deployment that a later one may be made from: kept whole, whatever becomes of branch and variables.
struct DeploymentSnapshot: Codable, Sendable, Hashable {
    var commit: String
    var tree: String
    var message: String
    var spec: AppSpec
    var variables: [String: Variable]
    var buildIdentity: String
}

/// A deployment as the API shows it.
struct DeploymentAnswer: Encodable, Sendable {
    var id: DeploymentID
    var number: Int
    var kind: String
    /// The number of the release that a rollback makes live again.
    @Nullable var restores: Int?
    var state: DeploymentState
    var stage: String
    var commit: String
    /// The commit's subject.
    var message: String
    @Nullable var image: String?
    var imageWasReused: Bool
    @Nullable var reason: String?
    /// E-mail address; `null` when the panel made it by itself or the user is gone.
    @Nullable var createdBy: String?
    var createdAt: Timestamp
    @Nullable var startedAt: Timestamp?
    @Nullable var finishedAt: Timestamp?
    var url: String
    var isCurrent: Bool
}

extension DeploymentAnswer {
    /// - Parameter row: as `DeploymentStore.columns` selects it.
    init(_ row: Row, configuration: PanelConfiguration) throws {
        let stateText = try row.string("state")
        guard let state = DeploymentState(rawValue: stateText) else {
            throw PostgresError(.decode, "unknown state \(stateText)")
        }
        self.init(
            id: try row.id("id"), number: try row.int("number"), kind: try row.string("kind"),
            restores: try row.optionalInt("restores"), state: state, stage: try row.string("stage"),
            commit: try row.string("commit_id"), message: try row.string("message"),
            image: try row.optionalString("image"), imageWasReused: try row.bool("image_reused"),
            reason: try row.optionalString("reason"), createdBy: try row.optionalString("created_by_email"),
            createdAt: try row.timestamp("created_at"), startedAt: try row.optionalTimestamp("started_at"),
            finishedAt: try row.optionalTimestamp("finished_at"),
            url: configuration.url(ofHostname: try row.string("hostname")),
            isCurrent: try row.optionalString("current_deployment") == row.string("id"))
    }
}
