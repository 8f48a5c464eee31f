// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

/// Reads one environment as the planner sees it. To be called with the environment's row locked.
struct ViewLoader {
    let transaction: PostgresConnection
    /// Heartbeats count as if they had come no earlier: the controller was away and may not have read them yet.
    var heartbeatsSince = Timestamp(microseconds: 0)

    /// Locks the environment until the transaction ends: what is planned stays true until it is applied.
    func load(_ environment: EnvironmentID) async throws -> EnvironmentView? {
        let rows = try await transaction.query(
            """
            SELECT current_deployment, is_removed, torn_down_at IS NOT NULL AS is_torn_down, removal_traceparent,
                (SELECT traceparent FROM deployments WHERE id = current_deployment) AS current_traceparent
            FROM environments WHERE id = \(environment) FOR UPDATE
            """)
        guard let row = rows.first else { return nil }
        var view = EnvironmentView(environment: environment)
        view.isRemoved = try row.bool("is_removed")
        view.isTornDown = try row.bool("is_torn_down")
        view.current = try row.optionalID("current_deployment")
        view.currentTrace = try row.trace("current_traceparent")
        view.removalTrace = try row.trace("removal_traceparent")
        view.queue = try await queue(environment)
        view.services = try await services(environment)
        view.instances = try await instances(environment)
        view.routes = try await routes(environment)
        view.nodes = try await nodes()
        // Only placing looks at hosts; their reservations take a scan over all instances.
        if let stage = view.queue.first?.stage, stage == .place || stage == .release { view.hosts = try await hosts() }
        if let first = view.queue.first, first.stage == .queued {
            view.knownImage = try await transaction.query(
                "SELECT image FROM images WHERE identity = \(first.request.buildIdentity)"
            ).first?.string("image")
        }
        return view
    }

    private func queue(_ environment: EnvironmentID) async throws -> [DeploymentView] {
        try await transaction.query(
            """
            SELECT request, stage, stage_entered_at, note, image, image_was_reused, build, build_failure,
                switch_generation, cancel_requested, traceparent
            FROM deployments WHERE environment = \(environment) AND state = 'running' ORDER BY position
            """
        ).map { row in
            DeploymentView(
                request: try JSON.value(from: row.string("request")),
                stage: DeploymentStage(rawValue: try row.string("stage")) ?? .queued,
                stageEnteredAt: try row.timestamp("stage_entered_at"), note: try row.optionalString("note"),
                image: try row.optionalString("image"),
                imageWasReused: try row.bool("image_was_reused"), build: try row.optionalID("build"),
                buildFailure: try row.optionalString("build_failure"),
                switchGeneration: try row.optionalInt("switch_generation"),
                isCancelRequested: try row.bool("cancel_requested"), trace: try row.trace("traceparent"))
        }
    }

    private func services(_ environment: EnvironmentID) async throws -> [ServiceView] {
        try await transaction.query(
            "SELECT id, name, state, reason, changed_at FROM services WHERE environment = \(environment) ORDER BY name"
        ).map { row in
            ServiceView(
                id: try row.id("id"), name: try row.string("name"),
                state: ServiceView.State(rawValue: try row.string("state")) ?? .failed,
                reason: try row.optionalString("reason"), changedAt: try row.timestamp("changed_at"))
        }
    }

    private func instances(_ environment: EnvironmentID) async throws -> [InstanceView] {
        try await transaction.query(
            """
            SELECT id, deployment, host, role, goal, phase, stop_requested_at, retired_at,
                (SELECT traceparent FROM deployments WHERE deployments.id = instances.deployment) AS traceparent
            FROM instances WHERE environment = \(environment) ORDER BY id
            """
        ).map { row in
            InstanceView(
                id: try row.id("id"), deployment: try row.id("deployment"), host: try row.id("host"),
                role: InstanceView.Role(rawValue: try row.string("role")) ?? .web,
                goal: InstanceDesired.Goal(rawValue: try row.string("goal")) ?? .running,
                phase: try row.optionalString("phase").map { try JSON.value(from: $0) },
                stopRequestedAt: try row.optionalTimestamp("stop_requested_at"),
                retiredAt: try row.optionalTimestamp("retired_at"), trace: try row.trace("traceparent"))
        }
    }

    private func routes(_ environment: EnvironmentID) async throws -> [RouteView] {
        try await transaction.query(
            "SELECT hostname, generation, upstreams FROM routes WHERE environment = \(environment) ORDER BY hostname"
        ).map { row in
            RouteView(
                hostname: try row.string("hostname"), generation: try row.int("generation"),
                upstreams: try JSON.value(from: row.string("upstreams")))
        }
    }

    private func nodes() async throws -> [NodeView] {
        try await transaction.query("SELECT observed FROM ingress_nodes ORDER BY id").map { row in
            let observed: RoutesObserved = try JSON.value(from: row.string("observed"))
            return NodeView(
                id: observed.node, generation: observed.generation, draining: observed.draining,
                heartbeatAt: max(observed.heartbeatAt, heartbeatsSince))
        }
    }

    private func hosts() async throws -> [HostView] {
        try await transaction.query(
            """
            SELECT observed, (
                SELECT coalesce(sum(memory_bytes), 0) FROM instances WHERE host = hosts.id AND role = 'web') AS reserved
            FROM hosts ORDER BY id
            """
        ).map { row in
            let observed: HostObserved = try JSON.value(from: row.string("observed"))
            return HostView(
                id: observed.host, name: observed.name, memoryBytes: observed.memoryBytes,
                reservedBytes: try row.int("reserved"), engineIsUp: observed.engineIsUp,
                heartbeatAt: max(observed.heartbeatAt, heartbeatsSince))
        }
    }
}

extension Row {
    fileprivate func trace(_ column: String) throws -> TraceContext? {
        try optionalString(column).flatMap(TraceContext.init(traceparent:))
    }
}
