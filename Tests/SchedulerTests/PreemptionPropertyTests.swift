// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import Scheduler

/// Preemption against every possible set of instances on every host.
struct PreemptionPropertyTests {
    @Test func whatMakesWayIsAMinimalSetOfTheLowestPrioritiesPossible() {
        var evictions = 0
        forEachSeed(from: 5_000_000, 300) { seed in
            var world = try RandomWorld(seed: seed, policy: Policy(allowsPreemption: true))
            for _ in 0..<15 {
                let (workload, rules) = try world.randomWorkload()
                let replica = world.newReplica(of: workload)
                let candidates = world.oracle.candidates(for: workload, rules)
                // The oracle tries all sets of instances of a host.
                guard world.oracle.residentsMax <= 9 else { break }
                let possible = world.oracle.evictions(for: workload, rules).filter { host, _ in
                    replica.volume.map { $0.host == host } ?? true
                }
                switch world.cluster.place(PlacementRequest(workload, replicas: [replica])) {
                case .placed(let assignments):
                    let (host, victims) = (assignments[0].host, Set(assignments[0].evicted))
                    if !victims.isEmpty {
                        evictions += 1
                        let isNeeded = !candidates.contains { replica.volume?.host ?? $0.id == $0.id }
                        try hold(isNeeded, "\(victims) made way though \(candidates.map(\.id)) had room")
                        try check(victims, on: host, among: possible, workload, world.oracle)
                        for victim in victims { world.oracle.instances[victim] = nil }
                    }
                    world.note(replica, workload, on: host)
                case .refused(let refusal):
                    try hold(possible.isEmpty, "refused (\(refusal)) though \(possible) could make way")
                }
                if world.generator.chance(15) { try world.stopSomething() }
            }
            try world.check()
        }
        #expect(evictions > 100)
    }

    private func check(
        _ victims: Set<InstanceID>, on host: HostID, among possible: [(HostID, Set<InstanceID>)],
        _ workload: Workload, _ oracle: Oracle
    ) throws {
        func priorities(_ ids: Set<InstanceID>) -> [Int] { ids.compactMap { oracle.instances[$0]?.workload.priority } }
        try hold(possible.contains { $0.0 == host && $0.1 == victims }, "\(victims) may not make way on \(host)")
        for victim in victims {
            try hold(
                !oracle.hasRoom(host, for: workload, without: victims.subtracting([victim])),
                "\(victim) could have stayed")
        }
        let highest = priorities(victims).max() ?? 0
        let least = possible.compactMap { priorities($0.1).max() }.min() ?? 0
        try hold(highest == least, "priority \(highest) makes way where \(least) would do")
    }
}

extension Oracle {
    /// The most instances on one host.
    fileprivate var residentsMax: Int {
        instances.values.reduce(into: [:]) { $0[$1.host, default: 0] += 1 }.values.max() ?? 0
    }

    /// Every set of instances on a host that may make way and without which there is room.
    func evictions(for workload: Workload, _ rules: [Rule]) -> [(HostID, Set<InstanceID>)] {
        hosts.values.filter { isAllowed($0, for: workload, rules) }.flatMap { host -> [(HostID, Set<InstanceID>)] in
            let evictable = instances.filter {
                $0.value.host == host.id && $0.value.workload.priority < workload.priority && !$0.value.holdsVolume
                    && !$0.value.isRetired
            }.map(\.key)
            return (1..<max(1, 1 << evictable.count)).compactMap { bits in
                let set = Set(evictable.indices.filter { bits >> $0 & 1 == 1 }.map { evictable[$0] })
                return hasRoom(host.id, for: workload, without: set) ? (host.id, set) : nil
            }
        }
    }
}
