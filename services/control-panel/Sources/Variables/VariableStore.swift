// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Postgres
import Secrets

struct VariableAnswer: Encodable, Sendable {
    var name: String
    /// `null` for a secret: it was sealed when it was written, and nobody can read it here.
    @Nullable var value: String?
    var isSecret: Bool
    var visibleInBuild: Bool
    var updatedAt: Timestamp
}

/// An environment's variables in the database. Secret ones are sealed to the controller before they get there.
struct VariableStore: Sendable {
    let pool: PostgresPool
    let controllerKey: PublicSealingKey

    func list(of environment: EnvironmentID, on connection: PostgresConnection) async throws -> [VariableAnswer] {
        try await connection.query(
            "SELECT * FROM variables WHERE environment = \(environment) ORDER BY name"
        ).map { row in
            let value = try row.optionalString("value")
            return VariableAnswer(
                name: try row.string("name"), value: value, isSecret: value == nil,
                visibleInBuild: try row.bool("visible_in_build"), updatedAt: try row.timestamp("updated_at"))
        }
    }

    /// What a deployment takes with it.
    func snapshot(
        of environment: EnvironmentID, on connection: PostgresConnection
    ) async throws -> [String: Variable] {
        var variables: [String: Variable] = [:]
        for row in try await connection.query("SELECT * FROM variables WHERE environment = \(environment)") {
            let value: Variable.Value
            if let plain = try row.optionalString("value") {
                value = .plain(plain)
            } else {
                value = .sealed(try JSONDecoder().decode(Sealed.self, from: Data(row.string("sealed").utf8)))
            }
            variables[try row.string("name")] = Variable(
                value: value, visibleInBuild: try row.bool("visible_in_build"), revision: try row.int("revision"))
        }
        return variables
    }

    /// Applies all of `change` or nothing. The environment's row is locked until the transaction ends.
    ///
    /// - Returns: whether anything is different now.
    func apply(
        _ change: VariableChange, to environment: EnvironmentID, in transaction: PostgresConnection
    ) async throws -> Bool {
        let rows = try await transaction.query(
            "SELECT variables_revision FROM environments WHERE id = \(environment) FOR UPDATE")
        guard let first = rows.first else { throw Problem.notFound("environment \(environment)") }
        var revision = try first.int("variables_revision")
        let before = revision
        for name in change.unset.sorted() {
            let removed = try await transaction.query(
                "DELETE FROM variables WHERE environment = \(environment) AND name = \(name) RETURNING 1 AS one")
            if !removed.isEmpty { revision += 1 }
        }
        for (name, setting) in change.set.sorted(by: { $0.key < $1.key }) {
            if try await isSame(setting, name, environment, transaction) { continue }
            revision += 1
            try await write(setting, name: name, revision: revision, to: environment, in: transaction)
        }
        guard revision != before else { return false }
        try await transaction.query(
            "UPDATE environments SET variables_revision = \(revision) WHERE id = \(environment)")
        try await checkLimits(of: environment, in: transaction)
        return true
    }

    /// Setting what is set already changes nothing. A secret cannot be compared, so setting one is always a change.
    private func isSame(
        _ setting: VariableChange.Setting, _ name: String, _ environment: EnvironmentID,
        _ transaction: PostgresConnection
    ) async throws -> Bool {
        if setting.isSecret { return false }
        return try await !transaction.query(
            """
            SELECT 1 AS one FROM variables WHERE environment = \(environment) AND name = \(name)
                AND value = \(setting.value) AND visible_in_build = \(setting.visibleInBuild)
            """
        ).isEmpty
    }

    private func write(
        _ setting: VariableChange.Setting, name: String, revision: Int, to environment: EnvironmentID,
        in transaction: PostgresConnection
    ) async throws {
        var plain: String?
        var sealed: String?
        if setting.isSecret {
            sealed = try Answer.encode(
                Sealed(setting.value, to: controllerKey, context: Variable.context(environment, name)))
        } else {
            plain = setting.value
        }
        try await transaction.query(
            """
            INSERT INTO variables (environment, name, value, sealed, visible_in_build, revision)
            VALUES (\(environment), \(name), \(plain), \(sealed), \(setting.visibleInBuild), \(revision))
            ON CONFLICT (environment, name) DO UPDATE SET value = excluded.value, sealed = excluded.sealed,
                visible_in_build = excluded.visible_in_build, revision = excluded.revision, updated_at = now()
            """)
    }

    private func checkLimits(of environment: EnvironmentID, in transaction: PostgresConnection) async throws {
        let rows = try await transaction.query(
            """
            SELECT count(*) AS n, coalesce(sum(octet_length(name) + octet_length(coalesce(value, sealed::text))), 0)
                AS bytes FROM variables WHERE environment = \(environment)
            """)
        guard let row = rows.first else { return }
        if try row.int("n") > Limits.environmentVariablesMax {
            throw Problem.limit("an environment has at most \(Limits.environmentVariablesMax) variables")
        }
        if try row.int("bytes") > PanelLimits.variablesBytesMax {
            throw Problem.limit(
                "the variables of an environment have at most \(PanelLimits.variablesBytesMax) bytes together: "
                    + "keep large values in a file or a service")
        }
    }
}
