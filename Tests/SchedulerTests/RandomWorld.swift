// SPDX-License-Identifier: Apache-2.0
import Domain

@testable import Scheduler

/// A small cluster with an oracle beside it, both changed in the same way, at random.
struct RandomWorld {
    var generator: Seeded
    var cluster: Cluster
    var oracle: Oracle
    private var hostNumber = 0
    private var instanceNumber = 0
    /// Slots that have been in use at once, which is as many as the cluster has.
    private var slotCount = 0

    init(seed: UInt64, policy: Policy? = nil, hosts: Int? = nil) throws {
        var generator = Seeded(seed)
        let percents = (0..<3).map { _ in generator.pick([100, 100, 150, 400]) }
        let chosen =
            try policy
            ?? Policy(
                overCommit: OverCommit(memoryPercent: percents[0], cpuPercent: percents[1], diskPercent: percents[2]))
        self.generator = generator
        cluster = Cluster(policy: chosen)
        oracle = Oracle(policy: chosen)
        for _ in 0..<(hosts ?? generator.pick([1, 2, 4, 6, 8])) { try addHost() }
    }

    // MARK: Hosts

    private mutating func randomHost(_ id: HostID, name: String) -> Host {
        func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &generator) }
        var labels: [String: String] = [:]
        if generator.chance(70) { labels["disk"] = generator.pick(["ssd", "hdd"]) }
        if generator.chance(70) { labels["generation"] = "\(upTo(3))" }
        return Host(
            id: id, name: name, zone: generator.pick(["a", "b", "c"]),
            hostClass: generator.pick([.both, .both, .runner, .builder]), labels: labels,
            state: generator.chance(75) ? .ready : generator.pick(Host.State.allCases),
            hasEngine: generator.chance(95), hasDiskPressure: generator.chance(5),
            capacity: Resources(
                memoryBytes: upTo(10) * 100, cpuMillicores: upTo(10) * 100, diskBytes: upTo(10) * 100),
            reserved: Resources(memoryBytes: upTo(2) * 50, cpuMillicores: upTo(2) * 50))
    }

    mutating func addHost() throws {
        hostNumber += 1
        let host = randomHost(HostID("hst_\(hostNumber)"), name: "h\(hostNumber % 10)")
        try cluster.add(host)
        oracle.hosts[host.id] = host
        slotCount = max(slotCount, oracle.hosts.count)
    }

    private mutating func anyHost() -> Host? {
        let hosts = oracle.hosts.values.sorted { $0.id < $1.id }
        return hosts.isEmpty ? nil : generator.pick(hosts)
    }

    private mutating func anyInstance() -> InstanceID? {
        let ids = oracle.instances.keys.sorted()
        return ids.isEmpty ? nil : generator.pick(ids)
    }

    mutating func changeHosts() throws {
        guard let host = anyHost() else { return try addHost() }
        switch generator.next() % 4 {
        case 0: try addHost()
        case 1 where oracle.hosts.count > 1:
            let released = cluster.remove(host.id)
            let expected = oracle.instances.filter { $0.value.host == host.id }.keys.sorted()
            try hold(released == expected, "\(host.id) gave back \(released), not \(expected)")
            for id in released { oracle.instances[id] = nil }
            oracle.hosts[host.id] = nil
        default:
            let changed = randomHost(host.id, name: host.name)
            try cluster.update(changed)
            oracle.hosts[host.id] = changed
        }
    }

    mutating func stopSomething() throws {
        guard let id = anyInstance(), let instance = oracle.instances[id] else { return }
        if generator.chance(30) {
            cluster.retire(id)
            oracle.instances[id]?.isRetired = true
        } else {
            let host = cluster.release(id)
            try hold(host == instance.host, "\(id) was on \(instance.host), not \(String(describing: host))")
            oracle.instances[id] = nil
        }
    }

    // MARK: Requests

    static let rules: [Oracle.Rule] = [
        .init(text: "node==h1", subject: .node) { $0 == "h1" },
        .init(text: "node!=/^h[12]$/", subject: .node, isNegated: true) { $0 == "h1" || $0 == "h2" },
        .init(text: "zone==a", subject: .zone) { $0 == "a" },
        .init(text: "zone!=b", subject: .zone, isNegated: true) { $0 == "b" },
        .init(text: "zone==/a|c/", subject: .zone) { $0 != "b" },
        .init(text: "label==disk", subject: .label("disk")) { _ in true },
        .init(text: "label!=disk=hdd", subject: .label("disk"), isNegated: true) { $0 == "hdd" },
        .init(text: "label==generation=/[12]/", subject: .label("generation")) { $0 == "1" || $0 == "2" },
        .init(text: "service==db", subject: .service) { $0 == "db" },
        .init(text: "service!=web", subject: .service, isNegated: true) { $0 == "web" },
        .init(text: "service!=/^w/", subject: .service, isNegated: true) { $0.hasPrefix("w") },
        .init(text: "service==/e/", subject: .service) { $0.contains("e") },
        .init(text: "zone==~c", subject: .zone, isSoft: true) { $0 == "c" },
        .init(text: "node!=~/[13579]/", subject: .node, isNegated: true, isSoft: true) {
            ["h1", "h3", "h5", "h7", "h9"].contains($0)
        },
        .init(text: "label==~disk=ssd", subject: .label("disk"), isSoft: true) { $0 == "ssd" },
        .init(text: "service==~db", subject: .service, isSoft: true) { $0 == "db" },
        .init(text: "service!=~web", subject: .service, isNegated: true, isSoft: true) { $0 == "web" },
    ]

    /// A workload with at most two rules, and what they mean.
    mutating func randomWorkload(_ strategies: [Strategy]? = nil) throws -> (Workload, [Oracle.Rule]) {
        while true {
            let rules = (0..<generator.pick([0, 0, 1, 1, 2])).map { _ in generator.pick(Self.rules) }
            let service = Service(
                environment: EnvironmentID("env_\(generator.pick([1, 1, 1, 2]))"),
                name: generator.pick(["web", "web", "web", "worker", "db"]))
            let resources = Resources(
                memoryBytes: generator.pick([0, 50, 100, 130, 300]), cpuMillicores: generator.pick([0, 0, 100, 250]),
                diskBytes: generator.pick([0, 0, 50, 200]))
            do {
                let workload = try Workload(
                    service: service, purpose: generator.chance(90) ? .run : .build, resources: resources,
                    ports: generator.chance(80) ? [] : [generator.pick([80, 443])],
                    strategy: generator.pick(strategies ?? [.ha, .daemon, .random(seed: generator.next()), .binpack]),
                    affinities: rules.map { try Affinity($0.text) }, priority: Int.random(in: 0...3, using: &generator))
                return (workload, rules)
            } catch let error as SchedulerError where error.code == .contradictoryAffinities {
                continue
            }
        }
    }

    mutating func newReplica(of workload: Workload) -> Replica {
        instanceNumber += 1
        var replica = Replica(id: InstanceID("ins_\(instanceNumber)"))
        if generator.chance(10) { replica.previousHost = anyHost()?.id }
        if generator.chance(10), let host = anyHost() { replica.volume = VolumeLocation(name: "data", host: host.id) }
        return replica
    }

    mutating func note(_ replica: Replica, _ workload: Workload, on host: HostID) {
        oracle.instances[replica.id] = Oracle.Instance(
            workload: workload, host: host, holdsVolume: replica.volume != nil)
    }

    // MARK: Invariants

    func check() throws {
        try hold(cluster.instanceCount == oracle.instances.count, "\(cluster.instanceCount) instances are counted")
        for (id, instance) in oracle.instances {
            try hold(cluster.host(of: id) == instance.host, "\(id) is not on \(instance.host)")
        }
        for id in oracle.hosts.keys {
            try hold(
                cluster.free(on: id) == oracle.free(on: id), "\(id) has \(String(describing: cluster.free(on: id)))")
        }
        try IndexCheck(cluster, oracle, slotCount: slotCount).run()
    }
}
