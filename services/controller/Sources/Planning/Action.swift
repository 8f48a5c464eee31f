// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// One change the planner wants. Every action is a change of the controller's database and the events that go with
/// it; nothing else happens anywhere before they are committed.
enum Action: Sendable, Hashable {
    case enter(DeploymentStage, DeploymentID, message: String)
    /// Tells the developer what a stage waits for.
    case note(DeploymentID, message: String)
    case useImage(String, wasReused: Bool, DeploymentID)
    case requestBuild(BuildID, DeploymentID)
    case cancelBuild(BuildID)
    case requestService(ServiceInstanceID, name: String, ServiceSpec, DeploymentID)
    case createInstance(InstanceID, HostID, InstanceView.Role, DeploymentID)
    case stopInstance(InstanceID)
    /// The host reported the end, or can no longer: row and desired state are removed.
    case forgetInstance(InstanceID)
    /// A replaced instance is out of the routes and drains from now on.
    case retireInstance(InstanceID)
    /// Gives the route a new generation. With a deployment, that generation is the one its switch waits for.
    case publishRoute(hostname: String, [RouteDesired.Upstream], switchingTo: DeploymentID?)
    case removeRoute(hostname: String)
    case succeed(DeploymentID)
    case fail(DeploymentID, DeploymentStage, reason: String, wasCancelled: Bool)
    case removeService(ServiceInstanceID)
    case deleteEnvironment
}

struct Plan: Sendable {
    var actions: [Action] = []
    /// When to look again though nothing happened: the nearest deadline.
    var recheckAt: Timestamp?
}

/// New identifiers for a plan; a test passes a counter.
struct IdentifierSource {
    var build: () -> BuildID = { .generate() }
    var service: () -> ServiceInstanceID = { .generate() }
    var instance: () -> InstanceID = { .generate() }
}
