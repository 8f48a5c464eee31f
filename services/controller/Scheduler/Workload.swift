// SPDX-License-Identifier: Apache-2.0
import Domain

/// A part of an environment that runs as one or more instances of the same kind: `web`, `worker`, a database.
public struct Service: Hashable, Sendable, CustomStringConvertible {
    public let environment: EnvironmentID
    public let name: String

    public init(environment: EnvironmentID, name: String) {
        self.environment = environment
        self.name = name
    }

    public var description: String { "\(environment)/\(name)" }
}

/// How a host is chosen among those that may take an instance and have room for it.
///
/// Ties go to the host with the lower slot: that which joined earlier, unless it took the place of a removed one.
public enum Strategy: Hashable, Sendable {
    /// In the zone with the fewest instances of the service, the host with the fewest of them, then the one with the
    /// most memory left.
    case ha
    /// One instance on each host.
    case daemon
    /// Any, each as likely; the same seed and the same cluster give the same hosts.
    case random(seed: UInt64)
    /// The host with the least memory left.
    case binpack
}

/// What the instances of a service need of a host. Valid from its making on: it cannot contradict itself.
public struct Workload: Hashable, Sendable {
    public enum Purpose: String, CaseIterable, Hashable, Sendable { case run, build }

    public let service: Service
    public let purpose: Purpose
    public let resources: Resources
    /// Ports of the host itself, each of which one instance can have.
    public let ports: [UInt16]
    public let strategy: Strategy
    public let affinities: [Affinity]
    /// An instance may only take the place of others with a lower number.
    public let priority: Int

    public init(
        service: Service, purpose: Purpose = .run, resources: Resources, ports: [UInt16] = [],
        strategy: Strategy = .ha, affinities: [Affinity] = [], priority: Int = 0
    ) throws(SchedulerError) {
        try resources.validate("service \(service.name)", .invalidResources)
        guard ports.count <= SchedulerLimits.portsMax else {
            throw SchedulerError(
                .invalidPorts,
                "service \(service.name) wants \(ports.count) host ports: at most "
                    + "\(SchedulerLimits.portsMax) are possible")
        }
        for (index, port) in ports.enumerated() where port == 0 || ports[..<index].contains(port) {
            throw SchedulerError(
                .invalidPorts,
                port == 0
                    ? "host port 0 of service \(service.name) is none: name one between 1 and 65535"
                    : "service \(service.name) wants host port \(port) twice: an instance can have it once")
        }
        guard SchedulerLimits.priorities.contains(priority) else {
            let range = SchedulerLimits.priorities
            throw SchedulerError(
                .invalidPriority,
                "priority \(priority) of service \(service.name): "
                    + "\(range.lowerBound) to \(range.upperBound) is possible")
        }
        guard affinities.count <= SchedulerLimits.affinitiesMax else {
            throw SchedulerError(
                .invalidAffinity,
                "service \(service.name) has \(affinities.count) affinities: at most "
                    + "\(SchedulerLimits.affinitiesMax) are possible")
        }
        try Affinity.checkAgreement(of: affinities)
        self.service = service
        self.purpose = purpose
        self.resources = resources
        self.ports = ports
        self.strategy = strategy
        self.affinities = affinities
        self.priority = priority
    }
}

/// Where data lies that an instance cannot do without.
public struct VolumeLocation: Hashable, Sendable {
    public let name: String
    public let host: HostID

    public init(name: String, host: HostID) {
        self.name = name
        self.host = host
    }
}

/// One instance to place.
public struct Replica: Hashable, Sendable {
    public let id: InstanceID
    /// The instance goes to the host of its volume or nowhere.
    public var volume: VolumeLocation?
    /// The instance goes back to this host if that may take it and has room; strategy and soft affinities count only
    /// if not.
    public var previousHost: HostID?

    public init(id: InstanceID, volume: VolumeLocation? = nil, previousHost: HostID? = nil) {
        self.id = id
        self.volume = volume
        self.previousHost = previousHost
    }
}

/// Instances of one service to place, all or none.
public struct PlacementRequest: Hashable, Sendable {
    public var workload: Workload
    public var replicas: [Replica]

    public init(_ workload: Workload, replicas: [Replica]) {
        self.workload = workload
        self.replicas = replicas
    }
}
