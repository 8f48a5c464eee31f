// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler

/// The hosts and deployments that are measured: the same ones at each run.
struct Fleet {
    static let hostCount = 5000
    static let zoneCount = 8
    static let rackCount = 100

    private var generator: Numbers
    private let hosts: [Host]
    private let rules: [Rule?]

    init(seed: UInt64) throws {
        generator = Numbers(state: seed)
        hosts = Self.makeHosts(using: &generator)
        rules = try Rule.mix()
    }

    func cluster() throws -> Cluster {
        var cluster = Cluster(policy: Policy(overCommit: try OverCommit(cpuPercent: 400)))
        for host in hosts { try cluster.add(host) }
        return cluster
    }

    func naive() -> NaiveScheduler { NaiveScheduler(hosts) }

    private static func makeHosts(using generator: inout Numbers) -> [Host] {
        (0..<hostCount).map { number in
            let size = Int.random(in: 1...3, using: &generator)
            return Host(
                id: HostID.generate(at: Timestamp(microseconds: Int64(number) * 1000), using: &generator),
                name: "node-\(number)", zone: "z\(number % zoneCount)",
                labels: [
                    "disk": Int.random(in: 0..<4, using: &generator) == 0 ? "hdd" : "ssd",
                    "generation": "g\(Int.random(in: 1...6, using: &generator))",
                    "rack": "r\(number % rackCount)",
                ],
                capacity: Resources(
                    memoryBytes: size * 128 << 30, cpuMillicores: size * 32_000, diskBytes: size * 2000 << 30),
                reserved: Resources(memoryBytes: 2 << 30, cpuMillicores: 500, diskBytes: 20 << 30))
        }
    }

    /// Services with `instances` instances in all, 1 to 20 in each, in environments of up to three services.
    mutating func deployments(_ instances: Int) throws -> [Deployment] {
        var deployments: [Deployment] = []
        var left = instances
        var environment = EnvironmentID.generate(at: Timestamp(microseconds: 0), using: &generator)
        while left > 0 {
            let number = deployments.count % 3
            if number == 0 { environment = EnvironmentID.generate(at: Timestamp(microseconds: 0), using: &generator) }
            let kind = Int.random(in: 0..<20, using: &generator)
            let count = min(left, kind == 19 ? 10 : Int.random(in: 1...20, using: &generator))
            left -= count
            deployments.append(try deployment(["web", "worker", "cache"][number], environment, kind, count))
        }
        return deployments
    }

    /// Of 20 services 10 are spread, 5 packed, 4 put anywhere, and 1 is a daemon on the hosts of a rack.
    private mutating func deployment(
        _ name: String, _ environment: EnvironmentID, _ kind: Int, _ count: Int
    ) throws -> Deployment {
        let strategy: Strategy =
            switch kind {
            case 0..<10: .ha
            case 10..<15: .binpack
            case 15..<19: .random(seed: generator.next())
            default: .daemon
            }
        let rule =
            strategy == .daemon
            ? try Rule.rack(Int.random(in: 0..<Self.rackCount, using: &generator))
            : rules[Int.random(in: 0..<rules.count, using: &generator)]
        let workload = try Workload(
            service: Service(environment: environment, name: name),
            resources: Resources(
                memoryBytes: 64 * Int.random(in: 1...12, using: &generator) << 20,
                cpuMillicores: 25 * Int.random(in: 1...10, using: &generator),
                diskBytes: 256 * Int.random(in: 0...8, using: &generator) << 20),
            strategy: strategy, affinities: rule.map { [$0.affinity] } ?? [])
        let replicas = (0..<count).map { _ in
            Replica(id: InstanceID.generate(at: Timestamp(microseconds: 0), using: &generator))
        }
        return Deployment(request: PlacementRequest(workload, replicas: replicas), rule: rule)
    }
}

struct Deployment {
    let request: PlacementRequest
    let rule: Rule?
}

/// An affinity, and the same as a test of one host for the scheduler that looks at each.
struct Rule {
    let affinity: Affinity
    let allows: (Host) -> Bool

    init(_ text: String, allows: @escaping (Host) -> Bool) throws {
        affinity = try Affinity(text)
        self.allows = allows
    }

    static func rack(_ number: Int) throws -> Rule {
        try Rule("label==rack=r\(number)") { $0.labels["rack"] == "r\(number)" }
    }

    /// Each as often as the others; half of the services have none.
    static func mix() throws -> [Rule?] {
        let rules = [
            try Rule("label==disk=ssd") { $0.labels["disk"] == "ssd" },
            try Rule("zone!=z3") { $0.zone != "z3" },
            try Rule("label==generation=/^g[1-3]$/") { ["g1", "g2", "g3"].contains($0.labels["generation"]) },
            try Rule("node!=/^node-10/") { !$0.name.hasPrefix("node-10") },
            try Rule("zone==~z1") { _ in true },
            try Rule("label!=~generation=g1") { _ in true },
            try Rule("service!=web") { _ in true },
            try Rule("service==~cache") { _ in true },
        ]
        return rules + rules.map { _ in nil }
    }
}

/// Numbers that depend on the seed alone (xorshift64*).
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}
