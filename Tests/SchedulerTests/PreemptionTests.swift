// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

struct PreemptionTests {
    private let preempting = Policy(allowsPreemption: true)

    private func run(
        _ cluster: inout Cluster, _ name: String, memory: Int, priority: Int, on host: String, ports: [UInt16] = [],
        volume: Bool = false
    ) throws {
        let location = volume ? VolumeLocation(name: "data", host: hostID(host)) : nil
        try cluster.restore(
            Replica(id: instanceID(name), volume: location),
            of: .made(name, memory: memory, ports: ports, priority: priority), on: hostID(host))
    }

    private func evicted(_ cluster: inout Cluster, by workload: Workload) -> [String]? {
        let request = PlacementRequest(workload, replicas: [Replica(id: instanceID("new"))])
        guard case .placed(let assignments) = cluster.place(request) else { return nil }
        return assignments.flatMap(\.evicted).map { String($0.rawValue.dropFirst(4)) }
    }

    @Test func nothingMakesWayUnlessItIsAllowed() throws {
        var cluster = try Cluster.made([.made("h0")])
        try run(&cluster, "low", memory: 950, priority: -5, on: "h0")
        #expect(try evicted(&cluster, by: .made(priority: 10)) == nil)
    }

    @Test func theLowestPriorityMakesWayFirstAndNoMoreThanNeeded() throws {
        var cluster = try Cluster.made([.made("h0")], policy: preempting)
        try run(&cluster, "small", memory: 100, priority: 1, on: "h0")
        try run(&cluster, "large", memory: 300, priority: 1, on: "h0")
        try run(&cluster, "better", memory: 500, priority: 2, on: "h0")
        #expect(try evicted(&cluster, by: .made(memory: 400, priority: 3)) == ["large"])
        #expect(cluster.host(of: instanceID("large")) == nil)
        #expect(cluster.host(of: instanceID("small")) == hostID("h0"))
    }

    @Test func whatTurnsOutNotToBeNeededStays() throws {
        var cluster = try Cluster.made([.made("h0")], policy: preempting)
        try run(&cluster, "low", memory: 100, priority: 1, on: "h0")
        try run(&cluster, "middle", memory: 200, priority: 2, on: "h0")
        try run(&cluster, "high", memory: 700, priority: 3, on: "h0")
        // Up to `high` all would go; with `high` gone neither of the others has to.
        #expect(try evicted(&cluster, by: .made(memory: 700, priority: 4)) == ["high"])
    }

    @Test func equalAndHigherPrioritiesAndVolumesAndWhatStopsAnywayStay() throws {
        var cluster = try Cluster.made([.made("h0")], policy: preempting)
        try run(&cluster, "equal", memory: 300, priority: 3, on: "h0")
        try run(&cluster, "higher", memory: 300, priority: 4, on: "h0")
        try run(&cluster, "volume", memory: 200, priority: 0, on: "h0", volume: true)
        try run(&cluster, "stopping", memory: 200, priority: 0, on: "h0")
        cluster.retire(instanceID("stopping"))
        #expect(try evicted(&cluster, by: .made(priority: 3)) == nil)
    }

    @Test func theHostWithTheLowestPrioritiesIsTaken() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1"), .made("h2")], policy: preempting)
        try run(&cluster, "two", memory: 1000, priority: 2, on: "h0")
        try run(&cluster, "one-a", memory: 500, priority: 1, on: "h1")
        try run(&cluster, "one-b", memory: 500, priority: 1, on: "h1")
        try run(&cluster, "one", memory: 1000, priority: 1, on: "h2")
        #expect(try evicted(&cluster, by: .made(memory: 600, priority: 5)) == ["one"])
        #expect(cluster.host(of: instanceID("new")) == hostID("h2"))
    }

    @Test func aPortIsFreedByTheInstanceThatHasIt() throws {
        var cluster = try Cluster.made([.made("h0")], policy: preempting)
        try run(&cluster, "lowest", memory: 100, priority: 0, on: "h0")
        try run(&cluster, "proxy", memory: 100, priority: 1, on: "h0", ports: [80])
        #expect(try evicted(&cluster, by: .made(ports: [80], priority: 1)) == nil)
        #expect(try evicted(&cluster, by: .made(ports: [80], priority: 2)) == ["proxy"])
    }

    @Test func rulesAndStatesHoldAllTheSame() throws {
        var cluster = try Cluster.made(
            [.made("h0", zone: "b"), .made("h1", state: .cordoned), .made("h2")], policy: preempting)
        for host in ["h0", "h1"] { try run(&cluster, "on-\(host)", memory: 1000, priority: 0, on: host) }
        try run(&cluster, "on-h2", memory: 1000, priority: 9, on: "h2")
        #expect(
            try cluster.place(.made(affinities: ["zone==a"], priority: 5))
                == .refused("1 host lacks 100 MB of memory, 1 is cordoned, 1 refused by affinity zone==a"))
    }

    @Test func aDeploymentDoesNotEvictItsOwnInstances() throws {
        var cluster = try Cluster.made([.made("h0")], policy: preempting)
        let low = try Workload.made("low", memory: 600, priority: 0)
        let high = try Workload.made("high", memory: 600, priority: 5)
        let outcome = cluster.place([
            PlacementRequest(low, replicas: [Replica(id: instanceID("low"))]),
            PlacementRequest(high, replicas: [Replica(id: instanceID("high"))]),
        ])
        #expect(outcome.short == .refused("1 host lacks 600 MB of memory"))
        #expect(cluster.instanceCount == 0)
    }

    @Test func whatWasEvictedComesBackWhenTheDeploymentFails() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1")], policy: preempting)
        try run(&cluster, "a", memory: 900, priority: 0, on: "h0", ports: [80])
        try run(&cluster, "b", memory: 900, priority: 0, on: "h1")
        let placed = try cluster.place(.made("new", memory: 600, priority: 1), 3)
        #expect(placed == .refused("2 hosts lack 600 MB of memory"))
        #expect(cluster.instances(on: hostID("h0")) == [instanceID("a")])
        #expect(cluster.instances(on: hostID("h1")) == [instanceID("b")])
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == 100 * mebibyte)
        #expect(
            try cluster.place(.made("p", memory: 1, ports: [80], affinities: ["node==h0"], priority: -1))
                == .refused("1 host has port 80 taken, 1 refused by affinity node==h0"))
    }
}
