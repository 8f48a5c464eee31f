// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import Scheduler

/// The cluster against the oracle, on thousands of small worlds. A failure names its seed, which gives it again.
struct PlacementPropertyTests {
    @Test func eachDecisionIsOneThatTheOracleMayMakeAndARefusalMeansThatThereIsNone() {
        forEachSeed(from: 0, 300) { seed in
            var world = try RandomWorld(seed: seed)
            for _ in 0..<25 {
                switch world.generator.next() % 10 {
                case 0, 1: try world.changeHosts()
                case 2, 3: try world.stopSomething()
                default: try placeOne(in: &world)
                }
            }
            try world.check()
        }
    }

    /// More hosts than there are bits in a word.
    @Test func theSameHoldsForManyHosts() {
        forEachSeed(from: 500_000, 6) { seed in
            var world = try RandomWorld(seed: seed, hosts: 150)
            for _ in 0..<40 {
                if world.generator.chance(25) { try world.changeHosts() }
                try placeOne(in: &world)
            }
            try world.check()
        }
    }

    private func placeOne(in world: inout RandomWorld) throws {
        let (workload, rules) = try world.randomWorkload()
        let replica = world.newReplica(of: workload)
        let candidates = world.oracle.candidates(for: workload, rules)
        let outcome = world.cluster.place(PlacementRequest(workload, replicas: [replica]))
        switch outcome {
        case .placed(let assignments):
            let host = assignments[0].host
            var choices = world.oracle.choices(for: workload, rules)
            if let previous = replica.previousHost, candidates.contains(where: { $0.id == previous }) {
                choices = [previous]
            }
            if let volume = replica.volume {
                choices = candidates.contains { $0.id == volume.host } ? [volume.host] : []
            }
            try hold(choices.contains(host), "\(workload) on \(host) instead of \(choices)")
            world.note(replica, workload, on: host)
        case .refused(let refusal):
            guard replica.volume == nil else {
                try hold(!candidates.contains { $0.id == replica.volume?.host }, "the volume's host has room")
                return
            }
            try hold(candidates.isEmpty, "\(workload) refused (\(refusal)) in spite of \(candidates.map(\.id))")
            guard case .hosts(let tallies) = refusal.explanation else { return }
            let counted = tallies.reduce(0) { $0 + $1.hosts }
            let members = world.oracle.hosts.values.count { $0.state != .removed }
            try hold(counted == members, "\(refusal) speaks of \(counted) hosts of \(members)")
        }
    }

    @Test func aRequestIsPlacedWhenThereIsRoomForAllAndOtherwiseChangesNothing() {
        forEachSeed(from: 1_000_000, 150) { seed in
            var world = try RandomWorld(seed: seed)
            for _ in 0..<8 {
                let (workload, rules) = try world.randomWorkload()
                // With a rule about the service itself the first choice decides on how many there is room for.
                if Search(workload, in: world.cluster).dependsOnItself { continue }
                let count = Int.random(in: 1...5, using: &world.generator)
                let room = world.oracle.hosts.values.reduce(0) {
                    $0 + world.oracle.roomCount($1, for: workload, rules, limit: count)
                }
                let spreadMin = world.oracle.spreadMin(of: count, for: workload, rules)
                let ids = (0..<count).map { InstanceID("ins_\(world.oracle.instances.count)_\($0)") }
                let request = PlacementRequest(workload, replicas: ids.map { Replica(id: $0) })
                switch world.cluster.place(request) {
                case .placed(let assignments):
                    try hold(room >= count, "\(count) of \(workload) placed where \(room) can be")
                    for assignment in assignments {
                        world.note(Replica(id: assignment.instance), workload, on: assignment.host)
                    }
                    if workload.strategy == .ha, !rules.contains(where: \.isSoft) {
                        let spread = world.oracle.spread(of: workload, rules)
                        try hold(
                            spread == spreadMin, "zones differ by \(spread) instead of \(String(describing: spreadMin))"
                        )
                    }
                case .refused(let refusal):
                    try hold(room < count, "\(count) of \(workload) refused (\(refusal)) where \(room) can be")
                }
                try world.check()
            }
        }
    }

    @Test func aDeploymentIsPlacedAsAWholeOrChangesNothing() {
        forEachSeed(from: 2_000_000, 150) { seed in
            var world = try RandomWorld(seed: seed, policy: Policy(allowsPreemption: seed % 2 == 0))
            for _ in 0..<6 {
                var requests: [PlacementRequest] = []
                for _ in 0..<3 {
                    let workload = try world.randomWorkload().0
                    let replicas = (0..<2).map { _ in world.newReplica(of: workload) }
                    requests.append(PlacementRequest(workload, replicas: replicas))
                }
                if case .placed(let assignments) = world.cluster.place(requests) {
                    let placed = requests.flatMap { request in request.replicas.map { ($0, request.workload) } }
                    for (assignment, (replica, workload)) in zip(assignments, placed) {
                        for victim in assignment.evicted { world.oracle.instances[victim] = nil }
                        world.note(replica, workload, on: assignment.host)
                    }
                    let evicted = Set(assignments.flatMap(\.evicted))
                    try hold(evicted.isDisjoint(with: assignments.map(\.instance)), "\(evicted) were placed in vain")
                }
                try world.check()
            }
        }
    }

    @Test func daemonsCoverExactlyTheHostsThatCanTakeOne() {
        forEachSeed(from: 3_000_000, 150) { seed in
            var world = try RandomWorld(seed: seed)
            let (workload, rules) = try world.randomWorkload([.daemon])
            if Search(workload, in: world.cluster).dependsOnItself { return }
            for _ in 0..<4 {
                let coverage = world.cluster.coverage(of: workload)
                let expected = Set(world.oracle.candidates(for: workload, rules).map(\.id))
                try hold(Set(coverage.missing) == expected, "\(coverage.missing) instead of \(expected)")
                let replicas = coverage.missing.map { Replica(id: InstanceID("ins_\($0)_\(workload.service.name)")) }
                let outcome = world.cluster.place(PlacementRequest(workload, replicas: replicas))
                guard case .placed(let assignments) = outcome else { throw Violation("\(outcome)") }
                try hold(Set(assignments.map(\.host)) == expected, "\(assignments) on \(coverage.missing)")
                for (replica, assignment) in zip(replicas, assignments) {
                    world.note(replica, workload, on: assignment.host)
                }
                try hold(world.cluster.coverage(of: workload).missing.isEmpty, "some are missing still")
                try world.changeHosts()
            }
            try world.check()
        }
    }

    @Test func theSameCallsGiveTheSameHosts() {
        forEachSeed(from: 4_000_000, 50) { seed in
            func run() throws -> [Outcome] {
                var world = try RandomWorld(seed: seed)
                return try (0..<15).map { _ in
                    let workload = try world.randomWorkload().0
                    return world.cluster.place(
                        PlacementRequest(workload, replicas: [world.newReplica(of: workload)]))
                }
            }
            try hold(try run() == run(), "two runs differ")
        }
    }
}

extension Oracle {
    /// Between the zones with the most and the fewest instances, as `spreadMin` counts them.
    func spread(of workload: Workload, _ rules: [Rule]) -> Int {
        let zones = Set(hosts.values.filter { isAllowed($0, for: workload, rules) }.map(\.zone))
        let counts = zones.map { zone in count(of: workload.service) { $0.zone == zone } }
        return (counts.max() ?? 0) - (counts.min() ?? 0)
    }
}
