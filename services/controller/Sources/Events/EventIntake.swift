// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Messaging
import Postgres

/// What the controller writes down of each event. Deciding what follows is the planner's.
enum EventIntake {
    static let topics: [Topic] = [
        .environments, .deployments, .builds, .services, .hostsObserved, .instancesObserved, .routesObserved,
    ]

    static func handlers(_ outbox: Outbox) -> EventHandlers {
        var handlers = EventHandlers()
        addEnvironments(to: &handlers)
        addDeployments(to: &handlers, outbox)
        addBuilds(to: &handlers)
        addServices(to: &handlers)
        addObservations(to: &handlers)
        return handlers
    }

    private static func addEnvironments(to handlers: inout EventHandlers) {
        handlers.on(EnvironmentDesired.self) { event, transaction in
            try await ensureEnvironment(event.data.environment, transaction)
        }
        handlers.onTombstone(EnvironmentDesired.self) { key, transaction in
            // Also when it is not known yet: its deployments may be read later than its end.
            try await transaction.query(
                """
                INSERT INTO environments (id, is_removed, removal_traceparent)
                VALUES (\(key), true, \(TraceContext.current?.traceparent))
                ON CONFLICT (id) DO UPDATE SET is_removed = true,
                    removal_traceparent = coalesce(environments.removal_traceparent, excluded.removal_traceparent)
                """)
        }
    }

    /// Topics are not ordered among each other: a deployment may come before its environment.
    private static func ensureEnvironment(_ id: EnvironmentID, _ transaction: PostgresConnection) async throws {
        try await transaction.query("INSERT INTO environments (id) VALUES (\(id)) ON CONFLICT DO NOTHING")
    }

    private static func addDeployments(to handlers: inout EventHandlers, _ outbox: Outbox) {
        handlers.on(DeploymentRequested.self) { event, transaction in
            try await ensureEnvironment(event.data.environment, transaction)
            try await transaction.query(
                """
                INSERT INTO deployments (id, environment, request, traceparent)
                VALUES (\(event.data.deployment), \(event.data.environment), \(JSON.text(event.data)),
                    \(TraceContext.current?.traceparent))
                ON CONFLICT DO NOTHING
                """)
        }
        handlers.on(DeploymentCancelRequested.self) { event, transaction in
            let (deployment, environment) = (event.data.deployment, event.data.environment)
            let known = try await transaction.query("SELECT 1 AS ok FROM deployments WHERE id = \(deployment)")
            if known.isEmpty {
                // Its request could not be handled: nothing runs that could end, but somebody waits for an end.
                try await outbox.append(
                    DeploymentFailed(
                        deployment: deployment, environment: environment, stage: .queued,
                        reason: EnvironmentPlanner.cancelledReason, wasCancelled: true), in: transaction)
            }
            try await transaction.query(
                "UPDATE deployments SET cancel_requested = true WHERE id = \(deployment) AND state = 'running'")
        }
    }

    private static func addBuilds(to handlers: inout EventHandlers) {
        handlers.on(BuildSucceeded.self) { event, transaction in
            let build = event.data
            try await transaction.query(
                """
                INSERT INTO images (identity, image) VALUES (\(build.identity), \(build.image))
                ON CONFLICT (identity) DO UPDATE SET image = excluded.image
                """)
            try await transaction.query(
                """
                UPDATE deployments SET image = \(build.image), image_was_reused = \(build.wasReused)
                WHERE build = \(build.build) AND state = 'running'
                """)
        }
        handlers.on(BuildFailed.self) { event, transaction in
            try await transaction.query(
                """
                UPDATE deployments SET build_failure = \(event.data.reason)
                WHERE build = \(event.data.build) AND state = 'running'
                """)
        }
    }

    private static func addServices(to handlers: inout EventHandlers) {
        handlers.on(ServiceProvisioned.self) { event, transaction in
            try await transaction.query(
                """
                UPDATE services SET state = 'provisioned', url = \(JSON.text(event.data.url)), reason = NULL,
                    changed_at = \(Timestamp.now())
                WHERE id = \(event.data.service) AND state <> 'removing'
                """)
        }
        handlers.on(ServiceFailed.self) { event, transaction in
            try await transaction.query(
                """
                UPDATE services SET state = 'failed', reason = \(event.data.reason), changed_at = \(Timestamp.now())
                WHERE id = \(event.data.service) AND state = 'requested'
                """)
        }
        handlers.on(ServiceRemoved.self) { event, transaction in
            try await transaction.query("DELETE FROM services WHERE id = \(event.data.service)")
        }
    }

    private static func addObservations(to handlers: inout EventHandlers) {
        handlers.on(HostObserved.self) { event, transaction in
            try await transaction.query(
                """
                INSERT INTO hosts (id, observed) VALUES (\(event.data.host), \(JSON.text(event.data)))
                ON CONFLICT (id) DO UPDATE SET observed = excluded.observed
                """)
        }
        handlers.on(InstanceObserved.self) { event, transaction in
            try await transaction.query(
                """
                UPDATE instances SET phase = \(JSON.text(event.data.phase))
                WHERE id = \(event.data.instance) AND host = \(event.data.host)
                """)
            try await UsageStore.note(event.data, at: .now(), in: transaction)
        }
        handlers.on(RoutesObserved.self) { event, transaction in
            try await transaction.query(
                """
                INSERT INTO ingress_nodes (id, observed) VALUES (\(event.data.node), \(JSON.text(event.data)))
                ON CONFLICT (id) DO UPDATE SET observed = excluded.observed
                """)
        }
        handlers.onTombstone(RoutesObserved.self) { key, transaction in
            // A node that stopped on purpose is not waited for.
            try await transaction.query("DELETE FROM ingress_nodes WHERE id = \(key)")
        }
        handlers.onTombstone(InstanceObserved.self) { key, transaction in
            // The container is gone without having been seen to stop.
            try await transaction.query(
                """
                UPDATE instances SET phase = \(JSON.text(InstanceObserved.Phase.stopped))
                WHERE id = \(key) AND goal = 'stopped'
                """
            )
            try await UsageStore.end(InstanceID(key), at: .now(), in: transaction)
        }
    }
}
