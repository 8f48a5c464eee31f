// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

/// Which hosts take instances, and how many.
struct HostTests {
    @Test(arguments: [
        (Host.State.suspect, "1 host is suspect"), (.lost, "1 host is lost"), (.draining, "1 host is draining"),
        (.cordoned, "1 host is cordoned"), (.removed, "no host has joined: start slipway-runner on a host"),
    ])
    func onlyAReadyHostTakesInstances(_ state: Host.State, _ explanation: String) throws {
        var cluster = try Cluster.made([.made("h0", state: state)])
        #expect(try cluster.place(.made()) == .refused(explanation))
        try cluster.update(.made("h0"))
        #expect(try cluster.place(.made()) == .on(["h0"]))
    }

    @Test func aHostWithoutEngineOrUnderDiskPressureTakesNone() throws {
        var cluster = try Cluster.made([
            .made("h0").with { $0.hasEngine = false }, .made("h1").with { $0.hasDiskPressure = true },
        ])
        #expect(
            try cluster.place(.made())
                == .refused("1 host has no running container engine, 1 is under disk pressure"))
        try cluster.update(.made("h1"))
        #expect(try cluster.place(.made()) == .on(["h1"]))
    }

    @Test(arguments: [
        (Workload.Purpose.run, ["h0", "h2"], "2 hosts lack 900 MB of memory, 1 is for builds only"),
        (.build, ["h1", "h2"], "2 hosts lack 900 MB of memory, 1 is not for builds"),
    ])
    func aHostTakesWhatItsClassIsFor(_ purpose: Workload.Purpose, _ hosts: [String], _ explanation: String) throws {
        var cluster = try Cluster.made([
            .made("h0", hostClass: .runner), .made("h1", hostClass: .builder), .made("h2", hostClass: .both),
        ])
        let workload = try Workload.made(memory: 900, purpose: purpose)
        #expect(cluster.place(workload, 2) == .on(hosts))
        #expect(cluster.place(workload, 1, from: 3) == .refused(explanation))
    }

    @Test(arguments: [
        (Resources(memoryBytes: 300 << 20), "1 host lacks 300 MB of memory"),
        (Resources(cpuMillicores: 300), "1 host lacks 300 millicores of CPU"),
        (Resources(diskBytes: 300 << 20), "1 host lacks 300 MB of disk"),
        (Resources(memoryBytes: 300 << 20 - 1), "1 host lacks 300 MB of memory"),
    ])
    func eachResourceRunsOutByItself(_ resources: Resources, _ explanation: String) throws {
        var cluster = try Cluster.made([.made("h0", memory: 1000, cpu: 1000, disk: 1000)])
        let workload = try Workload(service: Service(environment: production, name: "web"), resources: resources)
        #expect(cluster.place(workload, 3) == .on(["h0", "h0", "h0"]))
        #expect(cluster.place(workload, 1, from: 4) == .refused(explanation))
        cluster.release(instanceID("web-2"))
        #expect(cluster.place(workload, 1, from: 4) == .on(["h0"]))
    }

    @Test func anInstanceFitsToTheLastByte() throws {
        var cluster = try Cluster.made([.made("h0", memory: 1000)])
        #expect(try cluster.place(.made(memory: 1000)) == .on(["h0"]))
        #expect(try cluster.place(.made(memory: 0), 1, from: 2) == .on(["h0"]))
        #expect(try cluster.place(.made(memory: 1), 1, from: 3) == .refused("1 host lacks 1 MB of memory"))
    }

    @Test func theSystemsPartIsNotPromised() throws {
        let host = Host.made("h0").with { $0.reserved = Resources(memoryBytes: 400 * mebibyte) }
        var cluster = try Cluster.made([host])
        #expect(try cluster.place(.made(memory: 601)) == .refused("1 host lacks 601 MB of memory"))
        #expect(try cluster.place(.made(memory: 600)) == .on(["h0"]))
    }

    @Test func aHostOfWhichAllIsReservedHasNothing() throws {
        let host = Host.made("h0").with { $0.reserved = Resources(memoryBytes: 4000 * mebibyte) }
        let cluster = try Cluster.made([host])
        #expect(cluster.free(on: host.id)?.memoryBytes == 0)
    }

    @Test func overCommitPromisesMoreOfWhatIsLeft() throws {
        let policy = Policy(overCommit: try OverCommit(memoryPercent: 150, cpuPercent: 400, diskPercent: 50))
        let host = Host.made("h0", memory: 1100, cpu: 1000, disk: 1000).with {
            $0.reserved = Resources(memoryBytes: 100 * mebibyte)
        }
        let cluster = try Cluster.made([host], policy: policy)
        #expect(
            cluster.free(on: host.id)
                == Resources(
                    memoryBytes: 1500 * mebibyte, cpuMillicores: 4000, diskBytes: 500 * mebibyte))
    }

    @Test func aPortOfAHostIsTakenOnce() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1")])
        let dns = try Workload.made("dns", ports: [53, 8053])
        #expect(cluster.place(dns, 2) == .on(["h0", "h1"]))
        #expect(cluster.place(dns, 1, from: 3) == .refused("2 hosts have port 53 taken"))
        #expect(try cluster.place(.made("other", ports: [8053])) == .refused("2 hosts have port 8053 taken"))
        #expect(try cluster.place(.made("web", ports: [80])) == .on(["h0"]))
        cluster.retire(instanceID("dns-2"))
        #expect(cluster.place(dns, 1, from: 3) == .refused("2 hosts have port 53 taken"))
        cluster.release(instanceID("dns-2"))
        #expect(cluster.place(dns, 1, from: 3) == .on(["h1"]))
    }

    @Test func aHostThatShrankKeepsItsInstancesAndTakesNone() throws {
        var cluster = try Cluster.made([.made("h0")])
        #expect(try cluster.place(.made(memory: 800)) == .on(["h0"]))
        try cluster.update(.made("h0", memory: 500))
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == -300 * mebibyte)
        #expect(try cluster.place(.made(memory: 10), 1, from: 2) == .refused("1 host lacks 10 MB of memory"))
        #expect(cluster.instances(on: hostID("h0")) == [instanceID("web-1")])
    }

    @Test func aHostThatMovesToAnotherZoneTakesItsCountsAlong() throws {
        var cluster = try Cluster.made([
            .made("h0", zone: "a"), .made("h1", zone: "a"), .made("h2", zone: "b"), .made("h3", zone: "b"),
        ])
        #expect(try cluster.place(.made()) == .on(["h0"]))
        try cluster.update(.made("h0", zone: "b"))
        #expect(try cluster.place(.made(), 1, from: 2) == .on(["h1"]))
    }

    @Test func aRemovedHostGivesItsInstancesBackAndItsSlotAway() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", zone: "b", labels: ["disk": "ssd"])])
        #expect(try cluster.place(.made(ports: [80]), 2) == .on(["h0", "h1"]))
        #expect(cluster.remove(hostID("h1")) == [instanceID("web-2")])
        #expect(cluster.host(of: instanceID("web-2")) == nil)
        #expect(cluster.remove(hostID("h1")) == [])
        try cluster.add(.made("h2"))
        #expect(try cluster.place(.made(ports: [80]), 1, from: 3) == .on(["h2"]))
        #expect(try cluster.place(.made("db", affinities: ["label==disk"])) == .refused("no host has a label `disk`"))
    }
}
