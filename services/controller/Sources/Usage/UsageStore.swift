// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

/// Keeps account of which instances ran when. Its rows outlive those of instances and deployments until they are
/// charged. Everything happens in the transaction of what causes it.
enum UsageStore {
    static let migration = Migration(
        3, "usage",
        """
        CREATE TABLE usage_spans (
            instance text PRIMARY KEY, environment text NOT NULL, organisation text NOT NULL, app text NOT NULL,
            host text NOT NULL, memory_bytes bigint NOT NULL, started_at timestamptz NOT NULL, ended_at timestamptz,
            charged_until timestamptz NOT NULL);
        CREATE INDEX usage_spans_by_environment ON usage_spans (environment);
        CREATE TABLE usage_meters (
            environment text PRIMARY KEY, recorded_at timestamptz NOT NULL DEFAULT now(),
            instance_seconds double precision NOT NULL DEFAULT 0,
            memory_mebibyte_seconds double precision NOT NULL DEFAULT 0);
        CREATE INDEX usage_meters_by_age ON usage_meters (recorded_at);
        INSERT INTO usage_spans
            SELECT id, environment, desired->>'organisation', desired->>'app', host, memory_bytes, now(), NULL, now()
            FROM instances WHERE role = 'web' AND phase ? 'ready';
        INSERT INTO usage_meters SELECT DISTINCT environment FROM usage_spans;
        """)

    /// Notes what an agent says of an instance. Idempotent, also for records that come again later.
    ///
    /// The first instance of an environment begins its first period at `now`.
    static func note(_ observed: InstanceObserved, at now: Timestamp, in transaction: PostgresConnection) async throws {
        switch observed.phase {
        case .ready:
            // Once the instance is forgotten, an old record must not begin its time anew.
            try await transaction.query(
                """
                WITH begun AS (
                    INSERT INTO usage_spans
                    SELECT id, environment, desired->>'organisation', desired->>'app', host, memory_bytes,
                        \(observed.observedAt)::timestamptz, NULL, \(observed.observedAt)::timestamptz
                    FROM instances WHERE id = \(observed.instance) AND host = \(observed.host) AND role = 'web'
                    ON CONFLICT DO NOTHING RETURNING environment)
                INSERT INTO usage_meters (environment, recorded_at) SELECT environment, \(now)::timestamptz FROM begun
                ON CONFLICT (environment) DO UPDATE SET recorded_at = excluded.recorded_at
                WHERE usage_meters.recorded_at < excluded.recorded_at AND NOT EXISTS (
                    SELECT FROM usage_spans WHERE usage_spans.environment = excluded.environment)
                """)
        case .exited, .failed, .stopped:
            try await end(observed.instance, at: observed.observedAt, in: transaction)
        case .starting: break
        }
    }

    static func end(_ instance: InstanceID, at time: Timestamp, in transaction: PostgresConnection) async throws {
        try await transaction.query(
            "UPDATE usage_spans SET ended_at = \(time) WHERE instance = \(instance) AND ended_at IS NULL")
    }

    /// An instance is given up whose host no longer reports: its time ends with the host's last sign of life.
    static func endUnreported(_ instance: InstanceID, in transaction: PostgresConnection) async throws {
        try await transaction.query(
            """
            UPDATE usage_spans SET ended_at = greatest(charged_until, (
                SELECT (observed->>'heartbeatAt')::timestamptz FROM hosts WHERE id = usage_spans.host))
            WHERE instance = \(instance) AND ended_at IS NULL
            """)
    }

    /// Environments with something to charge that were recorded last at `time` or before, the longest wait first.
    static func due(since time: Timestamp, from pool: PostgresPool) async throws -> [EnvironmentID] {
        try await pool.query(
            """
            SELECT environment FROM usage_meters WHERE recorded_at <= \(time)
                AND EXISTS (SELECT FROM usage_spans WHERE usage_spans.environment = usage_meters.environment)
            ORDER BY recorded_at LIMIT \(ControllerLimits.usageBatch)
            """
        ).map { try $0.id("environment") }
    }

    /// Charges an environment, unless another controller has done so since `time`.
    ///
    /// - Returns: the event to publish, `nil` when there is nothing to charge.
    static func charge(
        _ environment: EnvironmentID, recordedBefore time: Timestamp, at now: Timestamp,
        in transaction: PostgresConnection
    ) async throws -> UsageRecorded? {
        let meters = try await transaction.query(
            """
            SELECT recorded_at, instance_seconds, memory_mebibyte_seconds FROM usage_meters
            WHERE environment = \(environment) AND recorded_at <= \(time) FOR UPDATE
            """)
        guard let meter = meters.first else { return nil }
        let rows = try await transaction.query(
            """
            SELECT instance, organisation, app, memory_bytes, started_at, ended_at, charged_until,
                (SELECT (observed->>'heartbeatAt')::timestamptz FROM hosts WHERE id = usage_spans.host) AS known_until
            FROM usage_spans WHERE environment = \(environment) ORDER BY instance FOR UPDATE
            """)
        let remainder = UsageRemainder(
            instanceSeconds: try meter.double("instance_seconds"),
            memoryMebibyteSeconds: try meter.double("memory_mebibyte_seconds"))
        let charge = UsageCharge.of(try rows.map(span), remainder: remainder)
        try await transaction.query(
            """
            UPDATE usage_meters SET recorded_at = \(now), instance_seconds = \(charge.remainder.instanceSeconds),
                memory_mebibyte_seconds = \(charge.remainder.memoryMebibyteSeconds)
            WHERE environment = \(environment)
            """)
        for (instance, until) in charge.chargedUntil {
            try await transaction.query(
                "UPDATE usage_spans SET charged_until = \(until) WHERE instance = \(instance)")
        }
        try await transaction.query(
            """
            DELETE FROM usage_spans
            WHERE environment = \(environment) AND charged_until = greatest(started_at, ended_at)
                AND ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM instances WHERE id = usage_spans.instance)
            """)
        guard let row = rows.first, charge.instanceSeconds > 0 || charge.memoryMebibyteSeconds > 0 else { return nil }
        return UsageRecorded(
            organisation: try row.string("organisation"), app: try row.string("app"), environment: environment,
            from: try meter.timestamp("recorded_at"), to: now, instanceSeconds: charge.instanceSeconds,
            memoryMebibyteSeconds: charge.memoryMebibyteSeconds)
    }

    private static func span(_ row: Row) throws -> UsageSpan {
        UsageSpan(
            instance: try row.id("instance"), memoryBytes: try row.int("memory_bytes"),
            startedAt: try row.timestamp("started_at"), endedAt: try row.optionalTimestamp("ended_at"),
            chargedUntil: try row.timestamp("charged_until"), knownUntil: try row.optionalTimestamp("known_until"))
    }
}

extension Row {
    fileprivate func double(_ column: String) throws -> Double {
        let text = try string(column)
        guard let value = Double(text) else {
            throw PostgresError(.decode, "column \(column) is not a number")
        }
        return value
    }
}
