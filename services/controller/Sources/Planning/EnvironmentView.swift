// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// Everything the planner looks at: one environment as the database has it, and the hosts and ingress nodes.
struct EnvironmentView: Sendable {
    var environment: EnvironmentID
    var isRemoved = false
    /// Nothing of it is left; it is remembered so that a late deployment cannot bring it back.
    var isTornDown = false
    /// The deployment whose instances serve, once there has been one.
    var current: DeploymentID?
    /// The trace of the request that the current deployment came from.
    var currentTrace: TraceContext?
    /// The trace of the request that removed the environment.
    var removalTrace: TraceContext?
    /// Not finished, in the order they were asked for. The first is the one being carried out.
    var queue: [DeploymentView] = []
    var services: [ServiceView] = []
    var instances: [InstanceView] = []
    var routes: [RouteView] = []
    var hosts: [HostView] = []
    var nodes: [NodeView] = []
    /// The image of the first queued deployment's build identity, where one is known.
    var knownImage: String?
}

struct DeploymentView: Sendable {
    var request: DeploymentRequested
    var stage: DeploymentStage = .queued
    var stageEnteredAt: Timestamp
    /// What the developer was last told that the stage waits for.
    var note: String?
    var image: String?
    var imageWasReused = false
    var build: BuildID?
    var buildFailure: String?
    /// The route generation that sends requests to this deployment.
    var switchGeneration: Int?
    var isCancelRequested = false
    /// The trace of the request that it came from.
    var trace: TraceContext?

    var id: DeploymentID { request.deployment }
}

struct ServiceView: Sendable {
    enum State: String, Sendable { case requested, provisioned, failed, removing }

    var id: ServiceInstanceID
    var name: String
    var state: State
    var reason: String?
    /// When `state` was last set.
    var changedAt: Timestamp
}

struct InstanceView: Sendable {
    enum Role: String, Sendable { case web, release }

    var id: InstanceID
    var deployment: DeploymentID
    var host: HostID
    var role: Role
    var goal: InstanceDesired.Goal = .running
    var phase: InstanceObserved.Phase?
    var stopRequestedAt: Timestamp?
    /// Since when no route names it, while it still runs.
    var retiredAt: Timestamp?
    /// The trace of the request that its deployment came from.
    var trace: TraceContext?

    var upstream: RouteDesired.Upstream? {
        guard role == .web, goal == .running, case .ready(let address, let port) = phase else { return nil }
        return RouteDesired.Upstream(instance: id, address: address, port: port)
    }
}

struct RouteView: Sendable {
    var hostname: String
    var generation: Int
    var upstreams: [RouteDesired.Upstream]
}

struct HostView: Sendable {
    var id: HostID
    var name: String
    var memoryBytes: Int
    /// Memory limits of the instances that are placed on it.
    var reservedBytes: Int
    var engineIsUp: Bool
    var heartbeatAt: Timestamp

    func isLive(at now: Timestamp) -> Bool { now.since(heartbeatAt) <= HostObserved.heartbeatAgeMax }
}

struct NodeView: Sendable {
    var id: IngressNodeID
    var generation: Int
    var draining: [InstanceID: Int]
    var heartbeatAt: Timestamp

    func isLive(at now: Timestamp) -> Bool { now.since(heartbeatAt) <= RoutesObserved.heartbeatAgeMax }
}
