// SPDX-License-Identifier: Apache-2.0
import Domain
import Glibc
import Scheduler
import Testing

let mebibyte = 1 << 20

func hostID(_ name: String) -> HostID { HostID("hst_\(name)") }
func instanceID(_ name: String) -> InstanceID { InstanceID("ins_\(name)") }

let production = EnvironmentID("env_production")

extension Host {
    /// A ready host of 1000 MB, 10 cores and 100 GB.
    static func made(
        _ name: String, zone: String = "a", memory: Int = 1000, cpu: Int = 10_000, disk: Int = 100_000,
        labels: [String: String] = [:], state: State = .ready, hostClass: Class = .both
    ) -> Host {
        Host(
            id: hostID(name), name: name, zone: zone, hostClass: hostClass, labels: labels, state: state,
            capacity: Resources(
                memoryBytes: memory * mebibyte, cpuMillicores: cpu, diskBytes: disk * mebibyte))
    }

    func with(_ change: (inout Host) -> Void) -> Host {
        var host = self
        change(&host)
        return host
    }
}

extension Workload {
    static func made(
        _ service: String = "web", memory: Int = 100, cpu: Int = 0, disk: Int = 0, ports: [UInt16] = [],
        strategy: Strategy = .ha, affinities: [String] = [], priority: Int = 0, purpose: Purpose = .run,
        environment: EnvironmentID = production
    ) throws -> Workload {
        try Workload(
            service: Service(environment: environment, name: service), purpose: purpose,
            resources: Resources(
                memoryBytes: memory * mebibyte, cpuMillicores: cpu, diskBytes: disk * mebibyte),
            ports: ports, strategy: strategy, affinities: affinities.map { try Affinity($0) }, priority: priority)
    }
}

extension Cluster {
    static func made(_ hosts: [Host], policy: Policy = Policy()) throws -> Cluster {
        var cluster = Cluster(policy: policy)
        for host in hosts { try cluster.add(host) }
        return cluster
    }

    /// Places instances `service-from`… and returns the names of their hosts, or what was refused.
    mutating func place(_ workload: Workload, _ count: Int = 1, from first: Int = 1) -> Placed {
        let replicas = (first..<(first + count)).map { Replica(id: instanceID("\(workload.service.name)-\($0)")) }
        return place(PlacementRequest(workload, replicas: replicas)).short
    }

    mutating func place(_ workload: Workload, _ replica: Replica) -> Placed {
        place(PlacementRequest(workload, replicas: [replica])).short
    }
}

/// An outcome in short: the names of hosts, or the text of the refusal.
enum Placed: Equatable, CustomStringConvertible {
    case on([String])
    case refused(String)

    var description: String {
        switch self {
        case .on(let hosts): "on \(hosts)"
        case .refused(let text): "refused: \(text)"
        }
    }
}

extension Outcome {
    var short: Placed {
        switch self {
        case .placed(let assignments): .on(assignments.map { String($0.host.rawValue.dropFirst(4)) })
        case .refused(let refusal): .refused("\(refusal)")
        }
    }
}

/// Numbers that depend on the seed alone.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }
}

/// Runs a property for `count` seeds, or as many times more as SCHEDULER_SEEDS says; the first that fails ends the
/// test and is named.
func forEachSeed(from first: UInt64, _ count: UInt64, _ property: (UInt64) throws -> Void) {
    let factor = getenv("SCHEDULER_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 1
    for seed in first..<(first + count * factor) {
        do {
            try property(seed)
        } catch {
            Issue.record("seed \(seed): \(error)")
            return
        }
    }
}

/// A property that does not hold.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func hold(_ condition: Bool, _ description: @autoclosure () -> String) throws {
    if !condition { throw Violation(description()) }
}
