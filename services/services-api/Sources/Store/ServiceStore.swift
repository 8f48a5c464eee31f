// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres
import Secrets

/// A service that is to be provisioned or removed.
struct ServiceWork: Sendable, Hashable {
    enum Job: String, Sendable, Hashable {
        case provision = "requested"
        case remove = "removing"
    }

    let service: ServiceInstanceID
    let environment: EnvironmentID
    let job: Job
    let version: String
    let database: String
    let role: String
    /// Attempts that have failed so far.
    let attempt: Int
    let requestedAt: Timestamp
    /// What becomes of it belongs to the trace of the request.
    let trace: TraceContext?
}

/// The service instances and what became of them. State and event change in one transaction.
struct ServiceStore: Sendable {
    let pool: PostgresPool
    let outbox: Outbox

    func due() async throws -> [ServiceWork] {
        try await pool.query(
            """
            SELECT id, environment, state, version, database, role, attempt, requested_at, traceparent
            FROM service_instances
            WHERE state IN ('requested', 'removing') AND retry_at <= now()
            ORDER BY retry_at LIMIT \(ServicesLimits.batchMax)
            """
        ).compactMap(Self.work)
    }

    func hasUnfinished() async throws -> Bool {
        try await !pool.query(
            "SELECT 1 AS one FROM service_instances WHERE state IN ('requested', 'removing') LIMIT 1"
        ).isEmpty
    }

    /// What is to be done now, `nil` when it is done already or something else is wanted meanwhile.
    func current(_ work: ServiceWork) async throws -> ServiceWork? {
        let found = try await pool.query(
            """
            SELECT id, environment, state, version, database, role, attempt, requested_at, traceparent
            FROM service_instances
            WHERE id = \(work.service)
            """
        ).first.flatMap(Self.work)
        return found?.job == work.job ? found : nil
    }

    private static func work(_ row: Row) throws -> ServiceWork? {
        guard let job = ServiceWork.Job(rawValue: try row.string("state")) else { return nil }
        return ServiceWork(
            service: try row.id("id"), environment: try row.id("environment"), job: job,
            version: try row.string("version"), database: try row.string("database"), role: try row.string("role"),
            attempt: try row.int("attempt"), requestedAt: try row.timestamp("requested_at"),
            trace: try row.optionalString("traceparent").flatMap(TraceContext.init(traceparent:)))
    }

    /// - Returns: `false` when the service is not wanted any more; then nothing is recorded.
    func provisioned(_ work: ServiceWork, url: Sealed) async throws -> Bool {
        let text = String(decoding: try JSONEncoder().encode(url), as: UTF8.self)
        return try await record(
            work, state: "provisioned", url: text, reason: nil,
            ServiceProvisioned(service: work.service, environment: work.environment, url: url))
    }

    func failed(_ work: ServiceWork, reason: String) async throws -> Bool {
        try await record(
            work, state: "failed", url: nil, reason: reason,
            ServiceFailed(service: work.service, environment: work.environment, reason: reason))
    }

    func removed(_ work: ServiceWork) async throws -> Bool {
        try await record(work, state: "removed", url: nil, reason: nil, ServiceRemoved(service: work.service))
    }

    func retry(_ work: ServiceWork, after pause: Duration) async throws {
        try await pool.query(
            """
            UPDATE service_instances SET attempt = attempt + 1,
                retry_at = now() + make_interval(secs => \(pause.inSeconds)), changed_at = now()
            WHERE id = \(work.service) AND state = \(work.job.rawValue)
            """)
    }

    private func record(
        _ work: ServiceWork, state: String, url: String?, reason: String?, _ event: some EventPayload
    ) async throws -> Bool {
        let isRecorded = try await pool.withTransaction { transaction in
            let rows = try await transaction.query(
                """
                UPDATE service_instances SET state = \(state), url = \(url), reason = \(reason), changed_at = now()
                WHERE id = \(work.service) AND state = \(work.job.rawValue)
                RETURNING id
                """)
            guard !rows.isEmpty else { return false }
            try await TraceContext.$current.withValue(work.trace) {
                try await outbox.append(event, in: transaction)
            }
            return true
        }
        if isRecorded { outbox.wake() }
        return isRecorded
    }
}
