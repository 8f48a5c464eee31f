// SPDX-License-Identifier: Apache-2.0
import Domain
import Secrets

/// What a runner agent says of its host. Written every few seconds: a record that grows old means a lost host.
public struct HostObserved: EventPayload, Hashable {
    public static let type = "host.observed.v1"
    public static let topic = Topic.hostsObserved
    public var key: String { host.rawValue }

    public var host: HostID
    public var name: String
    /// Where instances of this host are reached.
    public var address: String
    /// Secrets for instances of this host are sealed to this key.
    public var sealingKey: PublicSealingKey
    public var memoryBytes: Int
    public var cpuMillis: Int
    /// The container engine answers.
    public var engineIsUp: Bool
    public var agentVersion: String
    public var heartbeatAt: Timestamp

    public init(
        host: HostID, name: String, address: String, sealingKey: PublicSealingKey, memoryBytes: Int, cpuMillis: Int,
        engineIsUp: Bool, agentVersion: String, heartbeatAt: Timestamp
    ) {
        self.host = host
        self.name = name
        self.address = address
        self.sealingKey = sealingKey
        self.memoryBytes = memoryBytes
        self.cpuMillis = cpuMillis
        self.engineIsUp = engineIsUp
        self.agentVersion = agentVersion
        self.heartbeatAt = heartbeatAt
    }

    /// A host whose last heartbeat is older than this is not given work.
    public static let heartbeatAgeMax: Duration = .seconds(15)
    public static let heartbeatInterval: Duration = .seconds(4)
}

/// One container that a host is to have. A tombstone asks for it to be stopped and removed at once.
public struct InstanceDesired: EventPayload, Hashable {
    public static let type = "instance.desired.v1"
    public static let topic = Topic.instancesDesired
    public var key: String { Self.key(host: host, instance: instance) }
    public var partitionKey: String? { host.rawValue }

    public static func key(host: HostID, instance: InstanceID) -> String { "\(host)/\(instance)" }

    public enum Role: Codable, Sendable, Hashable {
        /// Serves requests until it is stopped; restarted when it ends.
        case web(WebSpec)
        /// Runs once to its end.
        case release(HookSpec)
    }

    public enum Goal: String, Codable, Sendable, Hashable {
        case running, stopped
    }

    public var instance: InstanceID
    public var host: HostID
    public var environment: EnvironmentID
    public var deployment: DeploymentID
    public var organisation: String
    public var app: String
    public var role: Role
    public var goal: Goal
    public var image: String
    public var environmentVariables: [String: String]
    /// JSON object of the secret variables, sealed to the host. Context: `instance/<instance>`.
    public var secrets: Sealed?
    public var mounts: [String: MountSpec]
    public var resources: ResourceSpec

    public init(
        instance: InstanceID, host: HostID, environment: EnvironmentID, deployment: DeploymentID, organisation: String,
        app: String, role: Role, goal: Goal, image: String, environmentVariables: [String: String], secrets: Sealed?,
        mounts: [String: MountSpec], resources: ResourceSpec
    ) {
        self.instance = instance
        self.host = host
        self.environment = environment
        self.deployment = deployment
        self.organisation = organisation
        self.app = app
        self.role = role
        self.goal = goal
        self.image = image
        self.environmentVariables = environmentVariables
        self.secrets = secrets
        self.mounts = mounts
        self.resources = resources
    }

    public static func secretsContext(_ instance: InstanceID) -> String { "instance/\(instance)" }
}

/// What a runner agent sees of one container. A tombstone: the container is gone.
public struct InstanceObserved: EventPayload, Hashable {
    public static let type = "instance.observed.v1"
    public static let topic = Topic.instancesObserved
    public var key: String { instance.rawValue }

    public enum Phase: Codable, Sendable, Hashable {
        /// Being created, or running and not ready yet.
        case starting
        /// The health check passes; reached at this address and port.
        case ready(address: String, port: Int)
        /// A one-off ended with this exit code.
        case exited(code: Int)
        /// It will not become ready: the reason, for the developer.
        case failed(reason: String)
        /// Ended because it was asked to; the container is gone.
        case stopped
    }

    public var instance: InstanceID
    public var host: HostID
    public var environment: EnvironmentID
    public var deployment: DeploymentID
    public var phase: Phase
    public var restarts: Int
    public var observedAt: Timestamp

    public init(
        instance: InstanceID, host: HostID, environment: EnvironmentID, deployment: DeploymentID, phase: Phase,
        restarts: Int, observedAt: Timestamp
    ) {
        self.instance = instance
        self.host = host
        self.environment = environment
        self.deployment = deployment
        self.phase = phase
        self.restarts = restarts
        self.observedAt = observedAt
    }
}
