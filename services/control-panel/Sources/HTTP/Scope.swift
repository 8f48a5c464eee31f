// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Postgres

/// What the path of a request is about, and the caller's role in the organisation it belongs to.
///
/// Looking up goes through the caller's memberships, so that what belongs to other organisations is not found.
protocol Scope: Sendable {
    var role: Role? { get }
    var organisationName: String? { get }
    var standing: Standing { get }
    static func find(_ parameters: Parameters, for user: User, in pool: PostgresPool) async throws -> Self
}

extension Scope {
    var standing: Standing { Standing(role: role) }
}

/// The caller's own account.
struct AccountScope: Scope {
    var role: Role? { nil }
    var organisationName: String? { nil }

    static func find(_: Parameters, for _: User, in _: PostgresPool) async throws -> AccountScope { AccountScope() }
}

/// The installation as a whole.
struct InstallationScope: Scope {
    let standing: Standing
    var role: Role? { nil }
    var organisationName: String? { nil }

    static func find(_: Parameters, for user: User, in _: PostgresPool) async throws -> InstallationScope {
        InstallationScope(standing: .installation(isOperator: user.isOperator))
    }
}

struct OrganisationScope: Scope {
    let organisation: Organisation
    let role: Role?
    var organisationName: String? { organisation.name }

    static func find(
        _ parameters: Parameters, for user: User, in pool: PostgresPool
    ) async throws -> OrganisationScope {
        let name = try parameters.require("org")
        let rows = try await pool.query(
            """
            SELECT organisations.*, memberships.role FROM organisations
            JOIN memberships ON memberships.organisation = organisations.id AND memberships.user_id = \(user.id)
            WHERE organisations.name = \(name)
            """)
        guard let row = rows.first else { throw Problem.notFound("organisation \(name)") }
        return OrganisationScope(
            organisation: Organisation(
                id: try row.id("id"), name: try row.string("name"), createdAt: try row.timestamp("created_at")),
            role: try Role(row: row))
    }
}

struct AppScope: Scope {
    let app: App
    let role: Role?
    var organisationName: String? { app.organisation }

    static func find(_ parameters: Parameters, for user: User, in pool: PostgresPool) async throws -> AppScope {
        try await find(
            organisation: parameters.require("org"), app: parameters.require("app"), for: user, in: pool)
    }

    static func find(
        organisation: String, app: String, for user: User, in pool: PostgresPool
    ) async throws -> AppScope {
        let rows = try await pool.query(
            """
            SELECT apps.*, organisations.name AS organisation_name, memberships.role FROM apps
            JOIN organisations ON organisations.id = apps.organisation
            JOIN memberships ON memberships.organisation = organisations.id AND memberships.user_id = \(user.id)
            WHERE organisations.name = \(organisation) AND apps.name = \(app)
            """)
        guard let row = rows.first else { throw Problem.notFound("app \(organisation)/\(app)") }
        return AppScope(app: try App(row), role: try Role(row: row))
    }
}

struct EnvironmentScope: Scope {
    let app: App
    let environment: AppEnvironment
    let role: Role?
    var organisationName: String? { app.organisation }

    static func find(
        _ parameters: Parameters, for user: User, in pool: PostgresPool
    ) async throws -> EnvironmentScope {
        let app = try await AppScope.find(parameters, for: user, in: pool)
        let name = try parameters.require("env")
        let rows = try await pool.query(
            "SELECT * FROM environments WHERE app = \(app.app.id) AND name = \(name)")
        guard let row = rows.first else {
            throw Problem.notFound("environment \(name) of \(app.app.organisation)/\(app.app.name)")
        }
        return EnvironmentScope(app: app.app, environment: try AppEnvironment(row), role: app.role)
    }
}

struct DeploymentScope: Scope {
    let app: App
    let environment: AppEnvironment
    let deployment: DeploymentID
    let role: Role?
    var organisationName: String? { app.organisation }

    static func find(
        _ parameters: Parameters, for user: User, in pool: PostgresPool
    ) async throws -> DeploymentScope {
        let scope = try await EnvironmentScope.find(parameters, for: user, in: pool)
        let id = DeploymentID(try parameters.require("id"))
        let rows = try await pool.query(
            "SELECT id FROM deployments WHERE id = \(id) AND environment = \(scope.environment.id)")
        guard !rows.isEmpty else { throw Problem.notFound("deployment \(id) of \(scope.environment.name)") }
        return DeploymentScope(app: scope.app, environment: scope.environment, deployment: id, role: scope.role)
    }
}
