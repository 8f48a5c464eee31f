// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

struct ExplanationTests {
    @Test func anEmptyCloudspaceSaysHowToBegin() throws {
        var cluster = Cluster()
        #expect(try cluster.place(.made()) == .refused("no host has joined: start slipway-runner on a host"))
    }

    @Test func hostsAreCountedByReason() throws {
        let small = (0..<3).map { Host.made("s\($0)", zone: "b", memory: 500) }
        let elsewhere = (0..<2).map { Host.made("e\($0)", zone: "a") }
        var cluster = try Cluster.made(small + elsewhere + [.made("d", zone: "b", state: .draining)])
        #expect(
            try cluster.place(.made(memory: 512, affinities: ["zone==b"]))
                == .refused("3 hosts lack 512 MB of memory, 1 is draining, 2 refused by affinity zone==b"))
    }

    @Test func everyReasonHasItsPlaceAndASingularAndAPlural() throws {
        func hosts(_ count: Int) throws -> [Host] {
            (0..<count).flatMap { number -> [Host] in
                [
                    .made("affine-\(number)", zone: "z"),
                    .made("class-\(number)", hostClass: .builder),
                    .made("pressure-\(number)").with { $0.hasDiskPressure = true },
                    .made("engine-\(number)").with { $0.hasEngine = false },
                    .made("cordoned-\(number)", state: .cordoned), .made("draining-\(number)", state: .draining),
                    .made("lost-\(number)", state: .lost), .made("suspect-\(number)", state: .suspect),
                    .made("removed-\(number)", state: .removed),
                    .made("disk-\(number)", disk: 10), .made("cpu-\(number)", cpu: 10),
                    .made("memory-\(number)", memory: 10), .made("port-\(number)"),
                ]
            }
        }
        func refusal(_ count: Int) throws -> Placed {
            var cluster = try Cluster.made(hosts(count))
            let proxy = try Workload.made("proxy", memory: 1, ports: [80], affinities: ["node==/port/"])
            guard case .on = cluster.place(proxy, count) else { return .refused("the proxy") }
            return try cluster.place(.made(cpu: 100, disk: 100, ports: [80], affinities: ["zone==a"]))
        }
        #expect(
            try refusal(1)
                == .refused(
                    "1 host lacks 100 MB of memory, 1 lacks 100 millicores of CPU, 1 lacks 100 MB of disk, "
                        + "1 has port 80 taken, 1 is suspect, 1 is lost, 1 is draining, 1 is cordoned, "
                        + "1 has no running container engine, 1 is under disk pressure, 1 is for builds only, "
                        + "1 refused by affinity zone==a"))
        #expect(
            try refusal(2)
                == .refused(
                    "2 hosts lack 100 MB of memory, 2 lack 100 millicores of CPU, 2 lack 100 MB of disk, "
                        + "2 have port 80 taken, 2 are suspect, 2 are lost, 2 are draining, 2 are cordoned, "
                        + "2 have no running container engine, 2 are under disk pressure, 2 are for builds only, "
                        + "2 refused by affinity zone==a"))
    }

    @Test func aHostIsCountedUnderTheFirstRuleItFails() throws {
        var cluster = try Cluster.made([
            .made("h0", zone: "b", memory: 1, state: .lost).with { $0.hasEngine = false },
            .made("h1", zone: "b", memory: 1),
            .made("h2", zone: "a", memory: 1, cpu: 1),
        ])
        #expect(
            try cluster.place(.made(cpu: 2, affinities: ["zone==a", "node==h2"]))
                == .refused("1 host lacks 100 MB of memory, 1 is lost, 1 refused by affinity zone==a"))
    }

    @Test(arguments: [
        ("label==disc=ssd", "no host has a label `disc`"), ("label==disc", "no host has a label `disc`"),
        ("label==disk=nvme", "no host has a label `disk` with the value `nvme`"),
        ("label==disk=/^n/", "no host has a label `disk` with the value `/^n/`"),
        ("zone==c", "no host is in a zone `c`"), ("node==h7", "no host is named `h7`"),
        ("node==/^h7/", "no host has a name like `/^h7/`"),
        ("service==db", "no host runs a service `db`"),
    ])
    func aRuleThatNamesWhatNoHostHasIsToldAsSuch(_ rule: String, _ explanation: String) throws {
        var cluster = try Cluster.made([.made("h0", labels: ["disk": "ssd"]), .made("h1", state: .lost)])
        #expect(try cluster.place(.made(affinities: [rule])) == .refused(explanation))
    }

    @Test func theRefusalNamesTheInstanceThatFoundNoHost() throws {
        var cluster = try Cluster.made([.made("h0")])
        let web = try Workload.made(memory: 400)
        let outcome = cluster.place([
            PlacementRequest(try .made("db"), replicas: [Replica(id: instanceID("db-1"))]),
            PlacementRequest(web, replicas: (1...3).map { Replica(id: instanceID("web-\($0)")) }),
        ])
        guard case .refused(let refusal) = outcome else {
            Issue.record("placed")
            return
        }
        #expect(refusal.instance == instanceID("web-3"))
        #expect(refusal.service == web.service)
        #expect(refusal.placedBefore == 3)
        #expect(refusal.description == "1 host lacks 400 MB of memory")
    }
}
