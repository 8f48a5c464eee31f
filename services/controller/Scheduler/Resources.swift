// SPDX-License-Identifier: Apache-2.0

/// What an instance takes of a host, or what a host has.
public struct Resources: Hashable, Sendable {
    public var memoryBytes: Int
    public var cpuMillicores: Int
    public var diskBytes: Int

    public init(memoryBytes: Int = 0, cpuMillicores: Int = 0, diskBytes: Int = 0) {
        self.memoryBytes = memoryBytes
        self.cpuMillicores = cpuMillicores
        self.diskBytes = diskBytes
    }

    /// Whether it can be taken from `free`. What is not asked for always fits: an instance without a CPU request can
    /// go to a host whose CPU is promised beyond its end.
    public func fits(in free: Resources) -> Bool {
        (memoryBytes == 0 || memoryBytes <= free.memoryBytes)
            && (cpuMillicores == 0 || cpuMillicores <= free.cpuMillicores)
            && (diskBytes == 0 || diskBytes <= free.diskBytes)
    }

    public static func + (lhs: Resources, rhs: Resources) -> Resources {
        Resources(
            memoryBytes: lhs.memoryBytes + rhs.memoryBytes, cpuMillicores: lhs.cpuMillicores + rhs.cpuMillicores,
            diskBytes: lhs.diskBytes + rhs.diskBytes)
    }

    public static func - (lhs: Resources, rhs: Resources) -> Resources {
        Resources(
            memoryBytes: lhs.memoryBytes - rhs.memoryBytes, cpuMillicores: lhs.cpuMillicores - rhs.cpuMillicores,
            diskBytes: lhs.diskBytes - rhs.diskBytes)
    }

    public static func += (lhs: inout Resources, rhs: Resources) { lhs = lhs + rhs }
    public static func -= (lhs: inout Resources, rhs: Resources) { lhs = lhs - rhs }

    /// Throws, naming the resource, when one is negative or beyond `SchedulerLimits.resourcesMax`.
    func validate(_ what: String, _ code: SchedulerError.Code) throws(SchedulerError) {
        let largest = SchedulerLimits.resourcesMax
        for (name, value, max) in [
            ("memory", memoryBytes, largest.memoryBytes), ("CPU", cpuMillicores, largest.cpuMillicores),
            ("disk", diskBytes, largest.diskBytes),
        ] where value < 0 || value > max {
            throw SchedulerError(code, "\(name) of \(what) is \(value): 0 to \(max) is possible")
        }
    }
}

/// How much of a host may be promised, in percent of what is left beside the system's own part.
///
/// 100 promises nothing twice. CPU is often given more, since an instance that gets less of it is slow and not dead.
public struct OverCommit: Hashable, Sendable {
    public let memoryPercent: Int
    public let cpuPercent: Int
    public let diskPercent: Int

    public static let none = OverCommit()

    private init() {
        memoryPercent = 100
        cpuPercent = 100
        diskPercent = 100
    }

    public init(memoryPercent: Int = 100, cpuPercent: Int = 100, diskPercent: Int = 100) throws(SchedulerError) {
        let allowed = 1...SchedulerLimits.overCommitPercentMax
        for (name, value) in [("memory", memoryPercent), ("CPU", cpuPercent), ("disk", diskPercent)]
        where !allowed.contains(value) {
            throw SchedulerError(
                .invalidPolicy,
                "over-commit of \(name) is \(value) %: \(allowed.lowerBound) to \(allowed.upperBound) is possible")
        }
        self.memoryPercent = memoryPercent
        self.cpuPercent = cpuPercent
        self.diskPercent = diskPercent
    }

    /// What instances may be promised of a host.
    func allocatable(of host: Host) -> Resources {
        func part(_ capacity: Int, _ reserved: Int, _ percent: Int) -> Int {
            max(0, capacity - reserved) * percent / 100
        }
        return Resources(
            memoryBytes: part(host.capacity.memoryBytes, host.reserved.memoryBytes, memoryPercent),
            cpuMillicores: part(host.capacity.cpuMillicores, host.reserved.cpuMillicores, cpuPercent),
            diskBytes: part(host.capacity.diskBytes, host.reserved.diskBytes, diskPercent))
    }
}

/// What an operator decides for a whole cloudspace.
public struct Policy: Hashable, Sendable {
    public var overCommit: OverCommit
    /// Whether an instance for which there is no room may take the place of instances of lower priority.
    public var allowsPreemption: Bool

    public init(overCommit: OverCommit = .none, allowsPreemption: Bool = false) {
        self.overCommit = overCommit
        self.allowsPreemption = allowsPreemption
    }
}
