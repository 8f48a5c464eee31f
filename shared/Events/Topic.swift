// SPDX-License-Identifier: Apache-2.0

/// A named stream on the bus. The set is closed: `Topic.all` is the catalogue.
public struct Topic: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        /// Facts in the past tense, each kept for `retention`.
        case event
        /// The latest value of each key; a record without a value removes the key.
        case state
    }

    public let name: String
    public let kind: Kind
    /// Order holds within a partition; records of one key share a partition.
    public let partitions: Int
    /// How long records of an event topic, and tombstones of a state topic, are kept.
    public let retention: Duration

    static func event(_ name: String, partitions: Int = 4, days: Int = 7) -> Topic {
        Topic(name: name, kind: .event, partitions: partitions, retention: .seconds(days * 86_400))
    }

    static func state(_ name: String, partitions: Int = 4) -> Topic {
        Topic(name: name, kind: .state, partitions: partitions, retention: .seconds(86_400))
    }

    public static let environments = state("environments")
    public static let deployments = event("deployments")
    public static let builds = event("builds")
    public static let services = event("services")
    public static let hostsObserved = state("hosts.observed", partitions: 1)
    public static let instancesDesired = state("instances.desired")
    public static let instancesObserved = state("instances.observed")
    /// One partition: a generation number orders all routes, and an ingress acknowledges the highest it serves.
    public static let routesDesired = state("routes.desired", partitions: 1)
    public static let routesObserved = state("routes.observed", partitions: 1)
    public static let telemetryLogs = event("telemetry.logs", days: 3)
    public static let usage = event("usage", days: 30)
    public static let deadLetters = event("dead-letters", partitions: 1, days: 30)

    public static let all: [Topic] = [
        environments, deployments, builds, services, hostsObserved, instancesDesired, instancesObserved,
        routesDesired, routesObserved, telemetryLogs, usage, deadLetters,
    ]
}
