// SPDX-License-Identifier: Apache-2.0
import Domain

/// A host as the scheduler sees it: what it has and whether it takes instances.
public struct Host: Hashable, Sendable {
    /// Only a ready host takes instances. In every other state it keeps those that are placed on it.
    public enum State: String, CaseIterable, Hashable, Sendable {
        case ready
        /// Heartbeats are late.
        case suspect
        /// Heartbeats have stopped for so long that its instances are taken to be gone.
        case lost
        /// Its instances are being moved elsewhere.
        case draining
        /// It keeps its instances and gets no new ones.
        case cordoned
        /// It is gone for good: it counts as no host at all.
        case removed
    }

    /// What the host is for.
    public enum Class: String, CaseIterable, Hashable, Sendable { case runner, builder, both }

    public let id: HostID
    public var name: String
    /// Where it fails together with others. Empty is a zone as any other.
    public var zone: String
    public var hostClass: Class
    public var labels: [String: String]
    public var state: State
    public var hasEngine: Bool
    public var hasDiskPressure: Bool
    public var capacity: Resources
    /// Kept for the system and Slipway's own processes.
    public var reserved: Resources

    public init(
        id: HostID, name: String, zone: String = "", hostClass: Class = .both, labels: [String: String] = [:],
        state: State = .ready, hasEngine: Bool = true, hasDiskPressure: Bool = false, capacity: Resources,
        reserved: Resources = Resources()
    ) {
        self.id = id
        self.name = name
        self.zone = zone
        self.hostClass = hostClass
        self.labels = labels
        self.state = state
        self.hasEngine = hasEngine
        self.hasDiskPressure = hasDiskPressure
        self.capacity = capacity
        self.reserved = reserved
    }

    /// A host reports about itself, so what it reports is not to be trusted.
    func validate() throws(SchedulerError) {
        try capacity.validate("host \(id)", .invalidHost)
        try reserved.validate("the reserved part of host \(id)", .invalidHost)
        guard labels.count <= SchedulerLimits.labelsMax else {
            throw SchedulerError(
                .invalidHost, "host \(id) has \(labels.count) labels: at most \(SchedulerLimits.labelsMax) are possible"
            )
        }
        let longest = ([name, zone] + labels.keys + labels.values).map(\.utf8.count).max() ?? 0
        guard !name.isEmpty, longest <= SchedulerLimits.nameLengthMax else {
            throw SchedulerError(
                .invalidHost,
                "host \(id): its name has to be there, and name, zone and labels at most "
                    + "\(SchedulerLimits.nameLengthMax) bytes long")
        }
    }
}
