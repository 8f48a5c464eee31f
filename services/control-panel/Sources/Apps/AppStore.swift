// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Messaging
import Postgres

/// Apps and environments in the database.
struct AppStore: Sendable {
    let pool: PostgresPool
    let outbox: Outbox
    let configuration: PanelConfiguration

    // MARK: Apps

    func apps(of organisation: Organisation) async throws -> [App] {
        try await pool.query(
            """
            SELECT apps.*, organisations.name AS organisation_name FROM apps
            JOIN organisations ON organisations.id = apps.organisation
            WHERE apps.organisation = \(organisation.id) ORDER BY apps.name
            """
        ).map(App.init)
    }

    func allApps() async throws -> [App] {
        try await pool.query(
            """
            SELECT apps.*, organisations.name AS organisation_name FROM apps
            JOIN organisations ON organisations.id = apps.organisation ORDER BY apps.id
            """
        ).map(App.init)
    }

    func app(_ id: AppID) async throws -> App? {
        try await pool.query(
            """
            SELECT apps.*, organisations.name AS organisation_name FROM apps
            JOIN organisations ON organisations.id = apps.organisation WHERE apps.id = \(id)
            """
        ).first.map(App.init)
    }

    /// Creates the app with its `main` environment.
    func createApp(
        name: String, in organisation: Organisation, transaction: PostgresConnection
    ) async throws -> (App, AppEnvironment) {
        // The organisation's row is the lock under which its apps are counted.
        try await transaction.query("SELECT 1 FROM organisations WHERE id = \(organisation.id) FOR UPDATE")
        let count = try await transaction.query(
            "SELECT count(*) AS n FROM apps WHERE organisation = \(organisation.id)")
        guard try count.first?.int("n") ?? 0 < PanelLimits.appsPerOrganisationMax else {
            throw Problem.limit("an organisation has at most \(PanelLimits.appsPerOrganisationMax) apps")
        }
        let id = AppID.generate()
        let rows = try await transaction.query(
            """
            INSERT INTO apps (id, organisation, name) VALUES (\(id), \(organisation.id), \(name))
            ON CONFLICT DO NOTHING RETURNING created_at
            """)
        guard let row = rows.first else {
            throw Problem.taken("name", "\(organisation.name) has an app named \(name) already: choose another name")
        }
        let app = App(
            id: id, name: name, organisation: organisation.name, organisationID: organisation.id,
            createdAt: try row.timestamp("created_at"))
        let main = try await createEnvironment(
            name: AppEnvironment.mainName, branch: AppEnvironment.mainName, of: app, transaction: transaction)
        return (app, main)
    }

    /// Removes the app with all it has. Its repository is left to `Upkeep`.
    func deleteApp(_ app: App) async throws {
        try await pool.withTransaction { transaction in
            let environments = try await transaction.query(
                "SELECT id FROM environments WHERE app = \(app.id) ORDER BY id FOR UPDATE")
            try await Self.remember(try environments.map { try $0.string("id") }, in: transaction)
            for row in environments {
                try await outbox.appendTombstone(EnvironmentDesired.self, key: row.string("id"), in: transaction)
            }
            try await transaction.query(
                """
                INSERT INTO removed_repositories (app, organisation_name, app_name)
                VALUES (\(app.id), \(app.organisation), \(app.name)) ON CONFLICT DO NOTHING
                """)
            try await transaction.query("DELETE FROM apps WHERE id = \(app.id)")
        }
        outbox.wake()
    }

    // MARK: Environments

    func environments(of app: AppID) async throws -> [AppEnvironment] {
        try await pool.query("SELECT * FROM environments WHERE app = \(app) ORDER BY created_at, id")
            .map(AppEnvironment.init)
    }

    func createEnvironment(
        name: String, branch: String, of app: App, transaction: PostgresConnection
    ) async throws -> AppEnvironment {
        try await transaction.query("SELECT 1 FROM apps WHERE id = \(app.id) FOR UPDATE")
        let known = try await transaction.query("SELECT name, branch FROM environments WHERE app = \(app.id)")
        guard known.count < PanelLimits.environmentsPerAppMax else {
            throw Problem.limit("an app has at most \(PanelLimits.environmentsPerAppMax) environments")
        }
        for row in known {
            let knownName = try row.string("name")
            if knownName == name {
                throw Problem.taken("name", "\(app.fullName) has an environment named \(name) already")
            }
            if try row.string("branch") == branch {
                throw Problem.taken(
                    "branch", "the branch \(branch) belongs to the environment \(knownName) already")
            }
        }
        for attempt in 1...PanelLimits.hostnameAttemptsMax {
            let hostname = Hostname.candidate(
                app: app.name, organisation: app.organisation, environment: name, domain: configuration.domain,
                attempt: attempt)
            let rows = try await transaction.query(
                """
                INSERT INTO environments (id, app, name, branch, hostname)
                VALUES (\(EnvironmentID.generate()), \(app.id), \(name), \(branch), \(hostname))
                ON CONFLICT ON CONSTRAINT environment_hostname DO NOTHING RETURNING *
                """)
            if let row = rows.first { return try AppEnvironment(row) }
        }
        throw Problem.limit("no hostname is free for \(app.fullName): choose another name")
    }

    /// Removes the environment; the tombstone makes the controller take down what runs.
    func deleteEnvironment(_ environment: EnvironmentID) async throws {
        try await pool.withTransaction { transaction in
            try await Self.remember([environment.rawValue], in: transaction)
            let rows = try await transaction.query(
                "DELETE FROM environments WHERE id = \(environment) RETURNING id")
            guard !rows.isEmpty else { return }
            try await outbox.appendTombstone(
                EnvironmentDesired.self, key: environment.rawValue, in: transaction)
        }
        outbox.wake()
    }

    /// Notes whose the environments and their deployments were: some of their events come after their removal.
    private static func remember(_ environments: [String], in transaction: PostgresConnection) async throws {
        // No deployment is added from here on.
        try await transaction.query(
            "SELECT id FROM environments WHERE id = ANY(\(environments)) ORDER BY id FOR UPDATE")
        try await transaction.query(
            """
            INSERT INTO removed_environments (id, organisation)
            SELECT environments.id, apps.organisation FROM environments JOIN apps ON apps.id = environments.app
            WHERE environments.id = ANY(\(environments)) ON CONFLICT DO NOTHING
            """)
        try await transaction.query(
            """
            INSERT INTO removed_deployments (id, environment)
            SELECT id, environment FROM deployments WHERE environment = ANY(\(environments)) ON CONFLICT DO NOTHING
            """)
    }
}
