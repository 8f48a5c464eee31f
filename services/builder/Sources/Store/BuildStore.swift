// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres

/// A build that this builder has taken from the queue.
struct BuildClaim: Sendable {
    let request: BuildRequested
    /// Counted from 1.
    let attempt: Int
    let isCancelRequested: Bool
    /// Everything done for the build belongs to it.
    var trace: TraceContext?
}

/// How a build ended.
enum BuildResult: Sendable, Hashable {
    case succeeded(image: String, bytes: Int, wasReused: Bool, duration: Duration)
    case failed(reason: String)
    case cancelled
}

/// The queue of builds and the index of images, shared by all builders.
struct BuildStore: Sendable {
    let pool: PostgresPool
    let outbox: Outbox
    /// This builder, the same after a restart.
    let worker: String

    enum Lease: Sendable, Hashable {
        case held, cancelRequested, lost
    }

    // MARK: Queue

    /// Builds that a predecessor of this process left running go back into the queue.
    func recover() async throws {
        try await pool.query(
            """
            UPDATE builds SET state = 'queued', worker = NULL, lease_until = NULL
            WHERE state = 'running' AND worker = \(worker)
            """)
        let oldest = Timestamp.now().advanced(by: .zero - BuilderLimits.finishedBuildAge)
        try await pool.query("DELETE FROM builds WHERE finished_at < \(oldest)")
    }

    /// Takes the oldest build that waits or whose builder is dead; of several with one identity, one at a time.
    func claim() async throws -> BuildClaim? {
        let rows = try await pool.query(
            """
            UPDATE builds SET state = 'running', attempt = attempt + 1, worker = \(worker),
                lease_until = now() + make_interval(secs => \(BuilderLimits.lease.inSeconds)),
                started_at = coalesce(started_at, now())
            WHERE id = (
                SELECT id FROM builds AS candidate
                WHERE (state = 'queued' OR (state = 'running' AND lease_until < now()))
                    AND NOT EXISTS (
                        SELECT 1 FROM builds AS twin
                        WHERE twin.identity = candidate.identity AND twin.id <> candidate.id
                            AND twin.state = 'running' AND twin.lease_until >= now())
                ORDER BY requested_at, id LIMIT 1 FOR UPDATE OF candidate SKIP LOCKED)
            RETURNING request, attempt, cancel_requested, traceparent
            """)
        guard let row = rows.first else { return nil }
        let request = try JSONDecoder().decode(BuildRequested.self, from: Data(row.string("request").utf8))
        return BuildClaim(
            request: request, attempt: try row.int("attempt"), isCancelRequested: try row.bool("cancel_requested"),
            trace: try row.optionalString("traceparent").flatMap(TraceContext.init(traceparent:)))
    }

    func renew(_ build: BuildID) async throws -> Lease {
        let rows = try await pool.query(
            """
            UPDATE builds SET lease_until = now() + make_interval(secs => \(BuilderLimits.lease.inSeconds))
            WHERE id = \(build) AND state = 'running' AND worker = \(worker)
            RETURNING cancel_requested
            """)
        guard let row = rows.first else { return .lost }
        return try row.bool("cancel_requested") ? .cancelRequested : .held
    }

    /// Puts a build back that was interrupted through no fault of its own.
    func release(_ build: BuildID) async throws {
        try await pool.query(
            """
            UPDATE builds SET state = 'queued', attempt = attempt - 1, worker = NULL, lease_until = NULL
            WHERE id = \(build) AND state = 'running' AND worker = \(worker)
            """)
    }

    // MARK: Images

    func image(of identity: String) async throws -> String? {
        try await pool.query("SELECT image FROM images WHERE identity = \(identity)").first?.string("image")
    }

    // MARK: Results

    /// Records the result and its event in one transaction.
    ///
    /// - Returns: `false` when the build is not this builder's any more; then nothing is recorded.
    func finish(_ request: BuildRequested, _ result: BuildResult) async throws -> Bool {
        let isRecorded = try await pool.withTransaction { transaction in
            switch result {
            case .succeeded(let image, let bytes, let wasReused, let duration):
                guard try await end(request.build, "succeeded", image, wasReused, nil, in: transaction) else {
                    return false
                }
                try await transaction.query(
                    """
                    INSERT INTO images (identity, image, bytes) VALUES (\(request.identity), \(image), \(bytes))
                    ON CONFLICT (identity) DO UPDATE SET image = excluded.image, bytes = excluded.bytes,
                        created_at = excluded.created_at
                    """)
                try await outbox.append(
                    BuildSucceeded(
                        build: request.build, identity: request.identity, deployment: request.deployment, image: image,
                        imageBytes: bytes, wasReused: wasReused,
                        durationMilliseconds: Int(duration.microseconds / 1_000)),
                    in: transaction)
            case .failed(let reason):
                guard try await end(request.build, "failed", nil, nil, reason, in: transaction) else { return false }
                try await append(request, reason, in: transaction)
            case .cancelled:
                let reason = Self.cancelledReason
                guard try await end(request.build, "cancelled", nil, nil, reason, in: transaction) else { return false }
                try await append(request, reason, in: transaction)
            }
            return true
        }
        if isRecorded { outbox.wake() }
        return isRecorded
    }

    static let cancelledReason = "The build was cancelled."

    private func end(
        _ build: BuildID, _ state: String, _ image: String?, _ wasReused: Bool?, _ reason: String?,
        in transaction: PostgresConnection
    ) async throws -> Bool {
        try await !transaction.query(
            """
            UPDATE builds SET state = \(state), image = \(image), was_reused = \(wasReused), reason = \(reason),
                finished_at = now(), lease_until = NULL
            WHERE id = \(build) AND state = 'running' AND worker = \(worker)
            RETURNING id
            """
        ).isEmpty
    }

    private func append(
        _ request: BuildRequested, _ reason: String, in transaction: PostgresConnection
    ) async throws {
        try await outbox.append(
            BuildFailed(
                build: request.build, identity: request.identity, deployment: request.deployment, reason: reason),
            in: transaction)
    }
}
