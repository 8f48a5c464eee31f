// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres

struct App: Sendable, Hashable {
    let id: AppID
    let name: String
    /// The organisation's name.
    let organisation: String
    let organisationID: OrganisationID
    let createdAt: Timestamp

    /// - Parameter row: of `apps`, with the organisation's name as `organisation_name`.
    init(_ row: Row) throws {
        id = try row.id("id")
        name = try row.string("name")
        organisation = try row.string("organisation_name")
        organisationID = try row.id("organisation")
        createdAt = try row.timestamp("created_at")
    }

    init(id: AppID, name: String, organisation: String, organisationID: OrganisationID, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.organisation = organisation
        self.organisationID = organisationID
        self.createdAt = createdAt
    }

    /// `organisation/name`, as people type it.
    var fullName: String { "\(organisation)/\(name)" }
}

/// A branch of an app that runs under a hostname of its own.
struct AppEnvironment: Sendable, Hashable {
    let id: EnvironmentID
    let app: AppID
    let name: String
    let branch: String
    let hostname: String
    /// The commit of the branch that was last deployed because it was pushed.
    let pushedCommit: String?
    let currentDeployment: DeploymentID?
    let createdAt: Timestamp

    static let mainName = "main"

    init(_ row: Row) throws {
        id = try row.id("id")
        app = try row.id("app")
        name = try row.string("name")
        branch = try row.string("branch")
        hostname = try row.string("hostname")
        pushedCommit = try row.optionalString("pushed_commit")
        currentDeployment = try row.optionalID("current_deployment")
        createdAt = try row.timestamp("created_at")
    }
}

// MARK: As the API shows them

struct AppAnswer: Encodable, Sendable {
    var id: AppID
    var organisation: String
    var name: String
    var gitUrl: String
    var createdAt: Timestamp
    var environments: [EnvironmentAnswer]
}

struct EnvironmentAnswer: Encodable, Sendable {
    var id: EnvironmentID
    var name: String
    var branch: String
    var hostname: String
    var url: String
    @Nullable var currentDeployment: DeploymentAnswer?
    @Nullable var latestDeployment: DeploymentAnswer?
    var createdAt: Timestamp
}
