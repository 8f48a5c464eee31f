// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres

/// What the builders write down of each event. What is sealed in it stays sealed.
enum BuildIntake {
    static let topics: [Topic] = [.builds]

    static func handlers(_ outbox: Outbox) -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(BuildRequested.self) { event, transaction in
            let build = event.data
            let request = String(decoding: try JSONEncoder().encode(build), as: UTF8.self)
            try await transaction.query(
                """
                INSERT INTO builds (id, identity, deployment, environment, request, traceparent)
                VALUES (\(build.build), \(build.identity), \(build.deployment), \(build.environment), \(request),
                    \(TraceContext.current?.traceparent))
                ON CONFLICT DO NOTHING
                """)
        }
        handlers.on(BuildCancelRequested.self) { event, transaction in
            // One that runs is ended by its builder, which sees the mark when it renews its lease.
            let rows = try await transaction.query(
                """
                UPDATE builds SET cancel_requested = true,
                    state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                    reason = CASE state WHEN 'queued' THEN \(BuildStore.cancelledReason) END,
                    finished_at = CASE state WHEN 'queued' THEN now() END
                WHERE id = \(event.data.build) AND state IN ('queued', 'running')
                RETURNING state, identity, deployment
                """)
            guard let row = rows.first, try row.string("state") == "cancelled" else { return }
            try await outbox.append(
                BuildFailed(
                    build: event.data.build, identity: try row.string("identity"), deployment: try row.id("deployment"),
                    reason: BuildStore.cancelledReason),
                in: transaction)
        }
        return handlers
    }
}
