// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

struct StrategyTests {
    private let zones = ["a", "a", "b", "b", "c", "c"]

    private func threeZones() throws -> Cluster {
        try .made(zones.enumerated().map { .made("h\($0.offset)", zone: $0.element) })
    }

    @Test func haSpreadsOverZonesAndThenOverHosts() throws {
        var cluster = try threeZones()
        #expect(try cluster.place(.made(), 6) == .on(["h0", "h2", "h4", "h1", "h3", "h5"]))
        #expect(try cluster.place(.made(), 3, from: 7) == .on(["h0", "h2", "h4"]))
    }

    @Test func haTakesTheHostWithTheMostMemoryLeftAmongEquals() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", memory: 2000), .made("h2")])
        #expect(try cluster.place(.made("web")) == .on(["h1"]))
        #expect(try cluster.place(.made("api", memory: 950)) == .on(["h1"]))
        #expect(try cluster.place(.made("db")) == .on(["h0"]))
    }

    @Test func haTakesTheHostWithFewestInstancesThoughAnotherHasMoreMemoryLeft() throws {
        var cluster = try Cluster.made([.made("h0", memory: 5000), .made("h1", memory: 400)])
        #expect(try cluster.place(.made(), 6) == .on(["h0", "h1", "h0", "h1", "h0", "h1"]))
    }

    @Test func haGoesOnWithAFullZoneLeftOut() throws {
        var cluster = try Cluster.made([.made("h0", zone: "a", memory: 100), .made("h1", zone: "b")])
        #expect(try cluster.place(.made(), 4) == .on(["h1", "h0", "h1", "h1"]))
    }

    @Test func haCountsOnlyItsOwnServiceInItsOwnEnvironment() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", memory: 900)])
        #expect(try cluster.place(.made("web", memory: 10)) == .on(["h0"]))
        #expect(try cluster.place(.made("worker", memory: 10)) == .on(["h0"]))
        let elsewhere = try Workload.made("web", memory: 10, environment: EnvironmentID("env_stage"))
        #expect(cluster.place(elsewhere, Replica(id: instanceID("stage-1"))) == .on(["h0"]))
        #expect(try cluster.place(.made("web", memory: 10), 1, from: 2) == .on(["h1"]))
    }

    @Test func binpackFillsTheFullestHostThatHasRoom() throws {
        var cluster = try Cluster.made([.made("h0", memory: 1000), .made("h1", memory: 500), .made("h2", memory: 90)])
        #expect(
            try cluster.place(.made(memory: 100, strategy: .binpack), 7)
                == .on(["h1", "h1", "h1", "h1", "h1", "h0", "h0"]))
    }

    @Test func daemonRunsOnceOnEachMatchingHost() throws {
        var cluster = try Cluster.made([
            .made("h0", labels: ["gpu": "yes"]), .made("h1"), .made("h2", labels: ["gpu": "yes"]),
        ])
        let daemon = try Workload.made("metrics", strategy: .daemon, affinities: ["label==gpu"])
        #expect(cluster.coverage(of: daemon).missing == [hostID("h0"), hostID("h2")])
        #expect(cluster.place(daemon, 2) == .on(["h0", "h2"]))
        #expect(cluster.coverage(of: daemon).missing == [])
        #expect(
            cluster.place(daemon, 1, from: 3)
                == .refused("2 hosts run one already, 1 refused by affinity label==gpu"))
    }

    @Test func daemonIsMissingOnHostsThatJoinLater() throws {
        var cluster = try Cluster.made([.made("h0")])
        let daemon = try Workload.made("metrics", strategy: .daemon)
        #expect(cluster.place(daemon) == .on(["h0"]))
        try cluster.add(.made("h1"))
        try cluster.add(.made("h2", state: .cordoned))
        try cluster.add(.made("h3", memory: 50))
        let coverage = cluster.coverage(of: daemon)
        #expect(coverage.missing == [hostID("h1")])
        #expect(Explanation.text(of: coverage.blocked) == "1 host lacks 100 MB of memory, 1 is cordoned")
        #expect(cluster.place(daemon, 1, from: 2) == .on(["h1"]))
    }

    @Test func aRetiredDaemonMakesWayForItsSuccessorOnTheSameHost() throws {
        var cluster = try Cluster.made([.made("h0")])
        let daemon = try Workload.made("metrics", strategy: .daemon)
        #expect(cluster.place(daemon) == .on(["h0"]))
        cluster.retire(instanceID("metrics-1"))
        #expect(cluster.coverage(of: daemon).missing == [hostID("h0")])
        #expect(cluster.place(daemon, 1, from: 2) == .on(["h0"]))
        #expect(cluster.free(on: hostID("h0"))?.memoryBytes == 800 * mebibyte)
    }

    @Test func randomDependsOnItsSeedAlone() throws {
        let workload = try Workload.made(strategy: .random(seed: 7))
        var cluster = try threeZones()
        var copy = cluster
        let placed = cluster.place(workload, 20)
        #expect(placed == copy.place(workload, 20))
        var other = try threeZones()
        #expect(try other.place(.made(strategy: .random(seed: 8)), 20) != placed)
    }

    @Test func randomTakesEachHostAboutAsOften() throws {
        var counts: [String: Int] = [:]
        var cluster = try threeZones()
        for seed in 0..<6000 {
            guard case .on(let hosts) = try cluster.place(.made(strategy: .random(seed: UInt64(seed)))) else {
                continue
            }
            counts[hosts[0], default: 0] += 1
            cluster.release(instanceID("web-1"))
        }
        #expect(counts.count == 6)
        // Six standard deviations of a binomial distribution.
        #expect(counts.values.allSatisfy { abs($0 - 1000) < 6 * 29 })
    }

    @Test func instancesGoBackToTheHostTheyCameFromIfThatHasRoom() throws {
        var cluster = try threeZones()
        let workload = try Workload.made(memory: 600, affinities: ["zone!=c"])
        func replica(_ number: Int, _ host: String) -> Replica {
            Replica(id: instanceID("web-\(number)"), previousHost: hostID(host))
        }
        #expect(cluster.place(workload, replica(1, "h3")) == .on(["h3"]))
        #expect(cluster.place(workload, replica(2, "h3")) == .on(["h0"]))
        #expect(cluster.place(workload, replica(3, "h4")) == .on(["h1"]))
        #expect(cluster.place(workload, replica(4, "gone")) == .on(["h2"]))
    }
}
