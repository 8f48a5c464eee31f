// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import Scheduler

/// Requests as a whole, and input that is refused.
struct DeploymentTests {
    @Test func allInstancesOfADeploymentArePlacedOrNone() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", zone: "b")])
        let db = PlacementRequest(try .made("db", ports: [5432]), replicas: [Replica(id: instanceID("db"))])
        let web = try Workload.made("web", memory: 500)
        func request(_ count: Int) -> PlacementRequest {
            PlacementRequest(web, replicas: (1...count).map { Replica(id: instanceID("web-\($0)")) })
        }
        #expect(cluster.place([db, request(4)]).short == .refused("2 hosts lack 500 MB of memory"))
        #expect(cluster.instanceCount == 0)
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == 1000 * mebibyte)
        #expect(cluster.place([db, request(3)]).short == .on(["h0", "h1", "h0", "h1"]))
    }

    @Test func aServiceCanBeBoundToAnotherOfTheSameDeployment() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1")])
        let web = PlacementRequest(
            try .made("web", affinities: ["service==cache"]), replicas: [Replica(id: instanceID("web"))])
        let cache = PlacementRequest(
            try .made("cache", affinities: ["node==h1"]), replicas: [Replica(id: instanceID("cache"))])
        #expect(cluster.place([cache, web]).short == .on(["h1", "h1"]))
    }

    @Test func aCopyIsADryRun() throws {
        let cluster = try Cluster.made([.made("h0")])
        var dryRun = cluster
        #expect(try dryRun.place(.made()) == .on(["h0"]))
        #expect(cluster.instanceCount == 0)
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == 1000 * mebibyte)
    }

    @Test func anInstanceIsPlacedOnce() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1")])
        let workload = try Workload.made()
        let replica = Replica(id: instanceID("web-1"))
        #expect(
            cluster.place(PlacementRequest(workload, replicas: [replica, replica])).short
                == .refused("instance ins_web-1 is placed already"))
        #expect(cluster.instanceCount == 0)
        #expect(cluster.place(workload, replica) == .on(["h0"]))
        #expect(throws: SchedulerError.self) { try cluster.restore(replica, of: workload, on: hostID("h1")) }
        #expect(cluster.instanceCount == 1)
    }

    @Test func newInstancesSpreadAsIfTheRetiredOnesWereGone() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1"), .made("h2")])
        let workload = try Workload.made(memory: 10)
        #expect(cluster.place(workload, 2) == .on(["h0", "h1"]))
        for number in 1...2 { cluster.retire(instanceID("web-\(number)")) }
        #expect(cluster.place(workload, 3, from: 3) == .on(["h2", "h0", "h1"]))
        #expect(cluster.release(instanceID("web-1")) == hostID("h0"))
        #expect(cluster.release(instanceID("web-1")) == nil)
    }

    @Test func factsAreRecordedWhateverTheRulesSay() throws {
        var cluster = try Cluster.made([.made("h0", memory: 100, state: .draining), .made("h1", zone: "b")])
        let workload = try Workload.made(memory: 300, ports: [80], affinities: ["zone==b"])
        try cluster.restore(Replica(id: instanceID("old-1")), of: workload, on: hostID("h0"))
        try cluster.restore(Replica(id: instanceID("old-2")), of: workload, on: hostID("h0"), isRetired: true)
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == -500 * mebibyte)
        // Two of them have the port; it is free when both are gone.
        cluster.release(instanceID("old-1"))
        try cluster.update(.made("h0"))
        let proxy = try Workload.made("proxy", ports: [80], affinities: ["node==h0"])
        #expect(cluster.place(proxy) == .refused("1 host has port 80 taken, 1 refused by affinity node==h0"))
        cluster.release(instanceID("old-2"))
        #expect(cluster.place(proxy) == .on(["h0"]))
    }

    @Test(arguments: [
        (Resources(memoryBytes: -1), "memory of service web is -1: 0 to 1125899906842624 is possible"),
        (
            Resources(memoryBytes: .max),
            "memory of service web is 9223372036854775807: 0 to 1125899906842624 is possible"
        ),
        (Resources(cpuMillicores: -5), "CPU of service web is -5: 0 to 10000000 is possible"),
        (Resources(diskBytes: -5), "disk of service web is -5: 0 to 4503599627370496 is possible"),
    ])
    func impossibleResourcesAreRefused(_ resources: Resources, _ message: String) {
        #expect(throws: SchedulerError(.invalidResources, message)) {
            try Workload(service: Service(environment: production, name: "web"), resources: resources)
        }
    }

    @Test func impossiblePortsPrioritiesAndNumbersOfRulesAreRefused() {
        #expect(
            throws: SchedulerError(
                .invalidPorts, "host port 0 of service web is none: name one between 1 and 65535")
        ) { try Workload.made(ports: [80, 0]) }
        #expect(
            throws: SchedulerError(
                .invalidPorts, "service web wants host port 80 twice: an instance can have it once")
        ) { try Workload.made(ports: [80, 443, 80]) }
        #expect(
            throws: SchedulerError(.invalidPorts, "service web wants 65 host ports: at most 64 are possible")
        ) { try Workload.made(ports: (1...65).map { UInt16($0) }) }
        #expect(
            throws: SchedulerError(
                .invalidPriority, "priority 1001 of service web: -1000 to 1000 is possible")
        ) { try Workload.made(priority: 1001) }
        #expect(
            throws: SchedulerError(.invalidAffinity, "service web has 33 affinities: at most 32 are possible")
        ) { try Workload.made(affinities: (1...33).map { "node!=h\($0)" }) }
        #expect(throws: SchedulerError(.invalidPolicy, "over-commit of CPU is 0 %: 1 to 1000 is possible")) {
            try OverCommit(cpuPercent: 0)
        }
    }

    @Test func aHostThatLiesOrJoinsTwiceIsRefused() throws {
        var cluster = try Cluster.made([.made("h0")])
        #expect(throws: SchedulerError(.hostExists, "host hst_h0 has joined already")) { try cluster.add(.made("h0")) }
        #expect(throws: SchedulerError(.unknownHost, "host hst_h1 is not part of this cloudspace")) {
            try cluster.update(.made("h1"))
        }
        for lie in [
            Host.made("h1", memory: -1), .made("h1").with { $0.capacity.cpuMillicores = .max },
            .made("h1").with { $0.reserved.diskBytes = -1 }, .made(""),
            .made("h1", zone: String(repeating: "z", count: 254)),
            .made("h1", labels: Dictionary(uniqueKeysWithValues: (0..<65).map { ("l\($0)", "") })),
        ] {
            #expect(throws: SchedulerError.self) { try cluster.add(lie) }
        }
        #expect(cluster.hostCount == 1)
        #expect(try cluster.place(.made(memory: 1001)) == .refused("1 host lacks 1001 MB of memory"))
    }
}
