// SPDX-License-Identifier: Apache-2.0
import Domain

/// Where requests for one hostname go. A tombstone removes the route.
public struct RouteDesired: EventPayload, Hashable {
    public static let type = "route.desired.v1"
    public static let topic = Topic.routesDesired
    public var key: String { hostname }

    public struct Upstream: Codable, Sendable, Hashable {
        public var instance: InstanceID
        public var address: String
        public var port: Int

        public init(instance: InstanceID, address: String, port: Int) {
            self.instance = instance
            self.address = address
            self.port = port
        }
    }

    /// Lower case, without port or trailing dot.
    public var hostname: String
    public var environment: EnvironmentID
    /// Greater than that of every earlier change of any route.
    public var generation: Int
    /// Empty: requests are answered 503.
    public var upstreams: [Upstream]

    public init(hostname: String, environment: EnvironmentID, generation: Int, upstreams: [Upstream]) {
        self.hostname = hostname
        self.environment = environment
        self.generation = generation
        self.upstreams = upstreams
    }
}

/// What an ingress node serves. Written on every change and every few seconds.
public struct RoutesObserved: EventPayload, Hashable {
    public static let type = "routes.observed.v1"
    public static let topic = Topic.routesObserved
    public var key: String { node.rawValue }

    public var node: IngressNodeID
    /// The highest generation this node routes by.
    public var generation: Int
    /// Requests in flight to instances that no route names any more.
    public var draining: [InstanceID: Int]
    public var heartbeatAt: Timestamp

    public init(node: IngressNodeID, generation: Int, draining: [InstanceID: Int], heartbeatAt: Timestamp) {
        self.node = node
        self.generation = generation
        self.draining = draining
        self.heartbeatAt = heartbeatAt
    }

    /// A node whose last heartbeat is older than this is not waited for.
    public static let heartbeatAgeMax: Duration = .seconds(15)
    public static let heartbeatInterval: Duration = .seconds(4)
}
