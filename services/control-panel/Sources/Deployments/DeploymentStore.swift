// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres

/// Reads deployments for the API.
struct DeploymentStore: Sendable {
    let pool: PostgresPool
    let configuration: PanelConfiguration

    func answer(_ id: DeploymentID, on connection: PostgresConnection) async throws -> DeploymentAnswer {
        let rows = try await connection.query("SELECT * FROM deployment_details WHERE id = \(id)")
        guard let row = rows.first else { throw Problem.notFound("deployment \(id)") }
        return try DeploymentAnswer(row, configuration: configuration)
    }

    func answer(_ id: DeploymentID) async throws -> DeploymentAnswer {
        try await pool.withConnection { try await answer(id, on: $0) }
    }

    /// Newest first.
    func list(
        of environment: EnvironmentID, before number: Int, limit: Int
    ) async throws -> [DeploymentAnswer] {
        try await pool.query(
            """
            SELECT * FROM deployment_details WHERE environment = \(environment) AND number < \(number)
            ORDER BY number DESC LIMIT \(limit)
            """
        ).map { try DeploymentAnswer($0, configuration: configuration) }
    }

    func currentAndLatest(
        of environment: AppEnvironment
    ) async throws -> (current: DeploymentAnswer?, latest: DeploymentAnswer?) {
        let latest = try await list(of: environment.id, before: Int(Int32.max), limit: 1).first
        guard let id = environment.currentDeployment else { return (nil, latest) }
        if let latest, latest.id == id { return (latest, latest) }
        let rows = try await pool.query("SELECT * FROM deployment_details WHERE id = \(id)")
        return (try rows.first.map { try DeploymentAnswer($0, configuration: configuration) }, latest)
    }

    /// The newest deployment of a commit, for a push whose deployment another request has made.
    func latest(of environment: EnvironmentID, commit: String) async throws -> DeploymentID? {
        try await pool.query(
            """
            SELECT id FROM deployments WHERE environment = \(environment) AND commit_id = \(commit)
            ORDER BY number DESC LIMIT 1
            """
        ).first?.id("id")
    }
}
