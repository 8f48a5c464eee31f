// SPDX-License-Identifier: Apache-2.0
import Domain

/// What became of a request to place instances.
public enum Outcome: Hashable, Sendable {
    /// One assignment for each instance, in the order of the request.
    case placed([Assignment])
    /// Nothing has changed.
    case refused(Refusal)
}

public struct Assignment: Hashable, Sendable {
    public let instance: InstanceID
    public let host: HostID
    /// Instances of lower priority that have to stop for it, lowest first. The cluster counts them as gone.
    public let evicted: [InstanceID]
}

/// The first instance for which no host was found, and why.
public struct Refusal: Hashable, Sendable, CustomStringConvertible {
    public let instance: InstanceID
    public let service: Service
    /// How many instances of the same deployment had found a host before it.
    public let placedBefore: Int
    public let explanation: Explanation

    public var description: String { explanation.description }
}

/// Where a daemon is missing.
public struct DaemonCoverage: Hashable, Sendable {
    /// Hosts that can take one now. As many replicas in a request are placed on exactly these.
    public let missing: [HostID]
    /// The hosts that run none and can take none, by reason; empty when there are no such hosts.
    public let blocked: [Explanation.Tally]
}
