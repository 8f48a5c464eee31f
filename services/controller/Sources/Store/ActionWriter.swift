// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Messaging
import Postgres
import Secrets

/// Carries out a plan: rows and events in the one transaction it is given.
struct ActionWriter {
    let transaction: PostgresConnection
    let outbox: Outbox
    let composer: InstanceComposer
    let view: EnvironmentView
    let now: Timestamp

    func write(_ action: Action) async throws {
        try await TraceContext.$current.withValue(view.trace(of: action)) { try await carryOut(action) }
    }

    private func carryOut(_ action: Action) async throws {
        switch action {
        case .enter(let stage, let deployment, let message):
            try await enter(stage, deployment, message)
        case .note(let deployment, let message):
            try await note(deployment, message)
        case .useImage(let image, let wasReused, let deployment):
            try await transaction.query(
                "UPDATE deployments SET image = \(image), image_was_reused = \(wasReused) WHERE id = \(deployment)")
        case .requestBuild(let build, let deployment):
            try await requestBuild(build, deployment)
        case .cancelBuild(let build):
            try await append(BuildCancelRequested(build: build))
        case .requestService(let service, let name, let spec, let deployment):
            try await requestService(service, name, spec, deployment)
        case .createInstance(let instance, let host, let role, let deployment):
            try await createInstance(instance, host, role, deployment)
        case .stopInstance(let instance):
            try await stopInstance(instance)
        case .forgetInstance(let instance):
            try await forgetInstance(instance)
        case .retireInstance(let instance):
            try await transaction.query("UPDATE instances SET retired_at = \(now) WHERE id = \(instance)")
        case .publishRoute(let hostname, let upstreams, let deployment):
            try await publishRoute(hostname, upstreams, deployment)
        case .removeRoute(let hostname):
            try await removeRoute(hostname)
        case .succeed(let deployment):
            try await succeed(deployment)
        case .fail(let deployment, let stage, let reason, let wasCancelled):
            try await fail(deployment, stage, reason, wasCancelled)
        case .removeService(let service):
            try await transaction.query(
                "UPDATE services SET state = 'removing', changed_at = \(now) WHERE id = \(service)")
            try await append(ServiceRemovalRequested(service: service))
        case .deleteEnvironment:
            try await transaction.query("DELETE FROM deployments WHERE environment = \(view.environment)")
            try await transaction.query(
                """
                UPDATE environments SET torn_down_at = \(now), current_deployment = NULL
                WHERE id = \(view.environment)
                """
            )
        }
    }

    private func append(_ payload: some EventPayload) async throws {
        try await outbox.append(payload, in: transaction)
    }

    private func request(of deployment: DeploymentID) throws -> DeploymentRequested {
        guard let found = view.queue.first(where: { $0.id == deployment }) else {
            throw PlanError("deployment \(deployment) is not in progress")
        }
        return found.request
    }

    // MARK: Deployments

    private func enter(_ stage: DeploymentStage, _ deployment: DeploymentID, _ message: String) async throws {
        let rows = try await transaction.query(
            """
            UPDATE deployments SET stage = \(stage.rawValue), stage_entered_at = \(now), note = NULL,
                messages = messages + 1
            WHERE id = \(deployment) RETURNING messages
            """)
        try await append(
            DeploymentProgressed(
                deployment: deployment, environment: view.environment, stage: stage, message: message,
                sequence: rows.first?.int("messages") ?? 0))
    }

    private func note(_ deployment: DeploymentID, _ message: String) async throws {
        let rows = try await transaction.query(
            """
            UPDATE deployments SET note = \(message), messages = messages + 1
            WHERE id = \(deployment) RETURNING messages, stage
            """)
        guard let row = rows.first, let stage = DeploymentStage(rawValue: try row.string("stage")) else { return }
        try await append(
            DeploymentProgressed(
                deployment: deployment, environment: view.environment, stage: stage, message: "waiting: \(message)",
                sequence: try row.int("messages")))
    }

    private func succeed(_ deployment: DeploymentID) async throws {
        guard let found = view.queue.first(where: { $0.id == deployment }), let image = found.image else {
            throw PlanError("deployment \(deployment) has no image")
        }
        try await transaction.query(
            """
            UPDATE deployments SET state = 'succeeded', stage = 'finished', finished_at = \(now)
            WHERE id = \(deployment)
            """)
        try await transaction.query(
            "UPDATE environments SET current_deployment = \(deployment) WHERE id = \(view.environment)")
        try await append(
            DeploymentSucceeded(
                deployment: deployment, environment: view.environment, image: image,
                imageWasReused: found.imageWasReused,
                instances: view.instances.filter { $0.deployment == deployment && $0.role == .web }.map(\.id)))
    }

    private func fail(
        _ deployment: DeploymentID, _ stage: DeploymentStage, _ reason: String, _ wasCancelled: Bool
    ) async throws {
        try await transaction.query(
            "UPDATE deployments SET state = 'failed', finished_at = \(now) WHERE id = \(deployment)")
        if let found = view.queue.first(where: { $0.id == deployment }), found.imageWasReused {
            // The image may be gone from the hosts: the next deployment asks the builder, who looks.
            try await transaction.query("DELETE FROM images WHERE identity = \(found.request.buildIdentity)")
        }
        let bounded = String(decoding: reason.utf8.prefix(ControllerLimits.reasonBytesMax), as: UTF8.self)
        try await append(
            DeploymentFailed(
                deployment: deployment, environment: view.environment, stage: stage, reason: bounded,
                wasCancelled: wasCancelled))
    }

    private func requestBuild(_ build: BuildID, _ deployment: DeploymentID) async throws {
        try await transaction.query("UPDATE deployments SET build = \(build) WHERE id = \(deployment)")
        try await append(composer.build(build, for: request(of: deployment)))
    }

    // MARK: Services

    private func requestService(
        _ service: ServiceInstanceID, _ name: String, _ spec: ServiceSpec, _ deployment: DeploymentID
    ) async throws {
        let request = try request(of: deployment)
        try await transaction.query(
            """
            INSERT INTO services (id, environment, name, state, changed_at)
            VALUES (\(service), \(view.environment), \(name), 'requested', \(now))
            ON CONFLICT (id) DO UPDATE SET state = 'requested', reason = NULL, changed_at = excluded.changed_at
            """)
        try await append(
            ServiceRequested(
                service: service, environment: view.environment, organisation: request.organisation,
                app: request.app, name: name, spec: spec))
    }

    // MARK: Instances

    private func createInstance(
        _ instance: InstanceID, _ host: HostID, _ role: InstanceView.Role, _ deployment: DeploymentID
    ) async throws {
        let request = try request(of: deployment)
        // Earlier actions of the same plan may have set the image.
        let image = try await transaction.query("SELECT image FROM deployments WHERE id = \(deployment)")
            .first?.optionalString("image")
        let hostRow = try await transaction.query("SELECT observed FROM hosts WHERE id = \(host)").first
        guard let image, let hostRow else { throw PlanError("instance \(instance) has no image or host") }
        let desired = try composer.desired(
            instance, on: JSON.value(from: hostRow.string("observed")), role: role, request: request, image: image,
            services: await credentials())
        try await transaction.query(
            """
            INSERT INTO instances (id, environment, deployment, host, role, goal, memory_bytes, desired)
            VALUES (\(instance), \(view.environment), \(deployment), \(host), \(role.rawValue), 'running',
                \(desired.resources.memoryBytes), \(JSON.text(desired)))
            """)
        try await append(desired)
    }

    private func credentials() async throws -> [String: InstanceComposer.Credentials] {
        let rows = try await transaction.query(
            """
            SELECT id, name, url FROM services
            WHERE environment = \(view.environment) AND state = 'provisioned' AND url IS NOT NULL
            """)
        var credentials: [String: InstanceComposer.Credentials] = [:]
        for row in rows {
            let url: Sealed = try JSON.value(from: row.string("url"))
            credentials[try row.string("name")] = .init(service: try row.id("id"), url: url)
        }
        return credentials
    }

    private func stopInstance(_ instance: InstanceID) async throws {
        let rows = try await transaction.query(
            """
            UPDATE instances SET goal = 'stopped', stop_requested_at = \(now),
                desired = jsonb_set(desired, '{goal}', '"stopped"')
            WHERE id = \(instance) RETURNING desired
            """)
        guard let row = rows.first else { return }
        let desired: InstanceDesired = try JSON.value(from: row.string("desired"))
        try await append(desired)
    }

    private func forgetInstance(_ instance: InstanceID) async throws {
        guard let found = view.instances.first(where: { $0.id == instance }) else { return }
        try await UsageStore.endUnreported(instance, in: transaction)
        try await transaction.query("DELETE FROM instances WHERE id = \(instance)")
        try await outbox.appendTombstone(
            InstanceDesired.self, key: InstanceDesired.key(host: found.host, instance: instance),
            partitionKey: found.host.rawValue, in: transaction)
    }

    // MARK: Routes

    /// The row lock on the counter is held until commit, so generations are published in their order.
    private func nextGeneration() async throws -> Int {
        let rows = try await transaction.query("UPDATE route_generation SET value = value + 1 RETURNING value")
        guard let row = rows.first else { throw PlanError("the route generation is missing") }
        return try row.int("value")
    }

    private func publishRoute(
        _ hostname: String, _ upstreams: [RouteDesired.Upstream], _ deployment: DeploymentID?
    ) async throws {
        let generation = try await nextGeneration()
        try await transaction.query(
            """
            INSERT INTO routes (hostname, environment, generation, upstreams)
            VALUES (\(hostname), \(view.environment), \(generation), \(JSON.text(upstreams)))
            ON CONFLICT (hostname) DO UPDATE SET environment = excluded.environment,
                generation = excluded.generation, upstreams = excluded.upstreams
            """)
        if let deployment {
            try await transaction.query(
                "UPDATE deployments SET switch_generation = \(generation) WHERE id = \(deployment)")
        }
        try await append(
            RouteDesired(
                hostname: hostname, environment: view.environment, generation: generation, upstreams: upstreams))
    }

    private func removeRoute(_ hostname: String) async throws {
        _ = try await nextGeneration()
        try await transaction.query("DELETE FROM routes WHERE hostname = \(hostname)")
        try await outbox.appendTombstone(RouteDesired.self, key: hostname, in: transaction)
    }
}

/// The plan does not fit the database: a defect, never a user's mistake.
struct PlanError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
