// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres

/// The logs of deployments and environments in the database, both bounded.
struct LogStore: Sendable {
    let pool: PostgresPool

    // MARK: Deployments

    /// Appends lines; of a deployment that is gone, nothing. The deployment's row is the lock under which lines get
    /// their numbers.
    static func append(
        _ lines: [(at: Timestamp, text: String)], dropped: Int = 0, stage: String, to deployment: DeploymentID,
        in transaction: PostgresConnection
    ) async throws {
        let rows = try await transaction.query(
            "SELECT log_lines FROM deployments WHERE id = \(deployment) FOR UPDATE")
        guard let written = try rows.first?.int("log_lines") else { return }
        let texts = LogBudget.admitted(
            lines.map { $0.text }, written: written, dropped: dropped, max: PanelLimits.deploymentLogLinesMax)
        guard !texts.isEmpty else { return }
        // A line that the budget added has the time of its neighbour.
        let added = max(0, texts.count - lines.count)
        let first = lines.first?.at ?? .now()
        let times = (Array(repeating: first, count: added) + lines.map { $0.at }).prefix(texts.count)
        try await transaction.query(
            """
            INSERT INTO deployment_log (deployment, sequence, at, stage, text)
            SELECT \(deployment), \(written)::int + line.position, line.at, \(stage), line.text
            FROM unnest(\(Array(times))::timestamptz[], \(texts)::text[]) WITH ORDINALITY AS line (at, text, position)
            """)
        try await transaction.query(
            "UPDATE deployments SET log_lines = \(written + texts.count) WHERE id = \(deployment)")
    }

    func lines(of deployment: DeploymentID, after sequence: Int, limit: Int) async throws -> [LogLine] {
        try await pool.query(
            """
            SELECT sequence, at, stage, text FROM deployment_log
            WHERE deployment = \(deployment) AND sequence > \(sequence) ORDER BY sequence LIMIT \(limit)
            """
        ).map(LogLine.init)
    }

    // MARK: Environments

    /// Appends what an instance printed and forgets the oldest lines over the limit.
    static func append(
        _ lines: [(at: Timestamp, text: String)], dropped: Int, instance: InstanceID?, source: String,
        to environment: EnvironmentID, in transaction: PostgresConnection
    ) async throws {
        let texts = LogBudget.admitted(
            lines.map { $0.text }, written: 0, dropped: dropped, max: PanelLimits.appLogLinesMax)
        guard !texts.isEmpty else { return }
        let rows = try await transaction.query(
            """
            UPDATE environments SET log_sequence = log_sequence + \(texts.count) WHERE id = \(environment)
            RETURNING log_sequence
            """)
        guard let last = try rows.first?.int("log_sequence") else { return }
        let added = max(0, texts.count - lines.count)
        let first = lines.first?.at ?? .now()
        let times = (Array(repeating: first, count: added) + lines.map { $0.at }).prefix(texts.count)
        try await transaction.query(
            """
            INSERT INTO app_logs (environment, sequence, at, instance, source, text)
            SELECT \(environment), \(last - texts.count)::bigint + line.position, line.at, \(instance), \(source),
                line.text
            FROM unnest(\(Array(times))::timestamptz[], \(texts)::text[]) WITH ORDINALITY AS line (at, text, position)
            """)
        try await transaction.query(
            """
            DELETE FROM app_logs WHERE environment = \(environment)
                AND sequence <= \(last - PanelLimits.appLogLinesMax)
            """)
    }

    /// The newest lines, oldest first.
    func lastAppLines(of environment: EnvironmentID, limit: Int) async throws -> [AppLogLine] {
        try await pool.query(
            "SELECT * FROM app_logs WHERE environment = \(environment) ORDER BY sequence DESC LIMIT \(limit)"
        ).reversed().map(AppLogLine.init)
    }

    func appLines(
        of environment: EnvironmentID, after sequence: Int, limit: Int
    ) async throws -> [AppLogLine] {
        try await pool.query(
            """
            SELECT * FROM app_logs WHERE environment = \(environment) AND sequence > \(sequence)
            ORDER BY sequence LIMIT \(limit)
            """
        ).map(AppLogLine.init)
    }
}
