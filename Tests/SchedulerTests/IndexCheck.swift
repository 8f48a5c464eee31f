// SPDX-License-Identifier: Apache-2.0
import Domain

@testable import Scheduler

/// Compares every index of a cluster with those of one that is built anew from the same hosts and instances.
struct IndexCheck {
    private let cluster: Cluster
    private let rebuilt: Cluster
    private let hosts: [Host]

    init(_ cluster: Cluster, _ oracle: Oracle, slotCount: Int) throws {
        self.cluster = cluster
        hosts = oracle.hosts.values.sorted { $0.id < $1.id }
        var bySlot: [Int: Host] = [:]
        for host in hosts {
            guard let slot = cluster.hosts.slot(of: host.id) else { throw Violation("\(host.id) has no slot") }
            bySlot[slot] = host
        }
        // The same hosts in the same slots: where there is none now a host comes and goes.
        var rebuilt = Cluster(policy: cluster.policy)
        for slot in 0..<slotCount {
            try rebuilt.add(
                bySlot[slot] ?? Host(id: HostID("gap_\(slot)"), name: "gap", capacity: Resources(memoryBytes: 5)))
        }
        for slot in 0..<slotCount where bySlot[slot] == nil { _ = rebuilt.remove(HostID("gap_\(slot)")) }
        for (id, instance) in oracle.instances {
            let volume = instance.holdsVolume ? VolumeLocation(name: "data", host: instance.host) : nil
            try rebuilt.restore(
                Replica(id: id, volume: volume), of: instance.workload, on: instance.host,
                isRetired: instance.isRetired)
        }
        self.rebuilt = rebuilt
    }

    func run() throws {
        try hold(cluster.hosts.free == rebuilt.hosts.free, "free capacity differs")
        try same("members") { $0.hosts.members }
        try same("hosts without engine") { $0.hosts.withoutEngine }
        try same("hosts under disk pressure") { $0.hosts.underDiskPressure }
        for state in Host.State.allCases { try same("\(state) hosts") { $0.hosts.hosts(in: state) } }
        for hostClass in Host.Class.allCases { try same("\(hostClass) hosts") { $0.hosts.hosts(of: hostClass) } }
        for port: UInt16 in [80, 443] { try same("port \(port)") { $0.hosts.hosts(withTaken: port) } }
        for rule in RandomWorld.rules {
            let affinity = try Affinity(rule.text)
            if affinity.subject != .service { try same(rule.text) { $0.hosts.attributes.hosts(matching: affinity) } }
            try same("\(rule.text) is known") { $0.hosts.attributes.isKnown(affinity.subject) }
        }
        for host in hosts {
            try same("instances on \(host.id)") { $0.instances(on: host.id) }
            try same("zone of \(host.id)") { cluster in
                cluster.hosts.slot(of: host.id).map { cluster.hosts.zones[cluster.hosts.zone(of: $0)] }
            }
        }
        for environment in 1...2 {
            for name in ["web", "worker", "db"] {
                let service = Service(environment: EnvironmentID("env_\(environment)"), name: name)
                try same("\(service)") { $0.services.presences(of: service) }
                try same("zones of \(service)") { zoneCounts(of: service, in: $0) }
                for pattern in [Pattern.any, .literal(name)] {
                    try same("hosts of \(service)") {
                        $0.services.hosts(in: service.environment, matching: pattern)
                    }
                }
            }
        }
        try same("priorities") { $0.instances.priorities(below: .max) }
    }

    private func same<Value: Equatable>(_ what: String, _ value: (Cluster) -> Value) throws {
        let (found, expected) = (value(cluster), value(rebuilt))
        try hold(found == expected, "\(what): \(found) instead of \(expected)")
    }

    /// By a host of the zone, since zones are numbered in the order in which they were first seen.
    private func zoneCounts(of service: Service, in cluster: Cluster) -> [HostID: Int] {
        let counts = cluster.services.zoneCounts(of: service, zones: cluster.hosts.zones.count)
        return Dictionary(
            uniqueKeysWithValues: hosts.compactMap { host in
                cluster.hosts.slot(of: host.id).map { (host.id, counts[cluster.hosts.zone(of: $0)]) }
            })
    }
}
