// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

/// What rules do to a placement.
struct AffinityPlacementTests {
    private func cluster() throws -> Cluster {
        try .made([
            .made("web-1", zone: "a", memory: 1000, labels: ["disk": "ssd", "rack": "r1"]),
            .made("web-2", zone: "b", memory: 2000, labels: ["disk": "hdd", "rack": "r2"]),
            .made("db-1", zone: "b", memory: 3000, labels: ["disk": "ssd"]),
        ])
    }

    @Test(arguments: [
        (["node==web-1"], "web-1"),
        (["node!=db-1"], "web-2"),
        (["node==/^web-/"], "web-2"),
        (["node!=/-1$/"], "web-2"),
        (["zone==a"], "web-1"),
        (["zone!=b"], "web-1"),
        (["zone==/[ac]/"], "web-1"),
        (["label==disk=hdd"], "web-2"),
        (["label!=disk=hdd", "zone==b"], "db-1"),
        (["label==disk=/^h/"], "web-2"),
        (["label==rack"], "web-2"),
        (["label!=rack"], "db-1"),
        (["label!=rack=r2", "label==rack"], "web-1"),
        (["zone==~a"], "web-1"),
        (["zone==~nowhere"], "db-1"),
        (["node!=~db-1"], "web-2"),
        (["label==~disk=hdd"], "web-2"),
        (["label!=~rack=/r[13]/"], "db-1"),
        // The first wish comes before the second.
        (["zone==~a", "label==~disk=hdd"], "web-1"),
        (["label==~disk=hdd", "zone==~a"], "web-2"),
        (["label==~disk=ssd", "zone==~b"], "db-1"),
        (["zone==b", "node==~web-1", "label==~rack"], "web-2"),
    ])
    func aRuleDecidesOnTheHost(_ rules: [String], _ host: String) throws {
        var cluster = try cluster()
        #expect(try cluster.place(.made(affinities: rules)) == .on([host]))
    }

    @Test func aWishForAFullHostIsPassedOver() throws {
        var cluster = try cluster()
        #expect(
            try cluster.place(.made(memory: 900, affinities: ["node==~web-1"]), 2) == .on(["web-1", "db-1"]))
    }

    @Test func aServiceGoesWhereAnotherIs() throws {
        var cluster = try cluster()
        let api = try Workload.made("api", affinities: ["service==cache"])
        #expect(cluster.place(api) == .refused("no host runs a service `cache`"))
        #expect(try cluster.place(.made("cache", affinities: ["node==web-2"])) == .on(["web-2"]))
        #expect(cluster.place(api) == .on(["web-2"]))
        #expect(try cluster.place(.made("worker", affinities: ["service==/^(cache|x)$/"])) == .on(["web-2"]))
        cluster.retire(instanceID("cache-1"))
        #expect(cluster.place(api, 1, from: 2) == .refused("no host runs a service `cache`"))
    }

    @Test func aServiceOfAnotherEnvironmentIsNotMeant() throws {
        var cluster = try cluster()
        let elsewhere = try Workload.made(
            "cache", affinities: ["node==web-2"], environment: EnvironmentID("env_stage"))
        #expect(cluster.place(elsewhere) == .on(["web-2"]))
        #expect(
            try cluster.place(.made("api", affinities: ["service==cache"]))
                == .refused("no host runs a service `cache`"))
    }

    @Test func aServiceKeepsAwayFromAnother() throws {
        var cluster = try cluster()
        #expect(try cluster.place(.made("batch", affinities: ["node==db-1"])) == .on(["db-1"]))
        #expect(try cluster.place(.made("api", affinities: ["service!=batch"])) == .on(["web-2"]))
        #expect(try cluster.place(.made("b", affinities: ["service!=/a/"])) == .on(["web-1"]))
        #expect(try cluster.place(.made("c", affinities: ["service!=~/a/", "service!=~b"])) == .on(["web-1"]))
    }

    @Test func aServiceThatKeepsAwayFromItselfHasOneInstanceOnAHost() throws {
        var cluster = try cluster()
        let workload = try Workload.made(strategy: .binpack, affinities: ["service!=web"])
        #expect(cluster.place(workload, 3) == .on(["web-1", "web-2", "db-1"]))
        #expect(cluster.place(workload, 1, from: 4) == .refused("3 hosts refused by affinity service!=web"))
    }

    @Test func aServiceThatStaysWithItselfBeginsAnywhere() throws {
        var cluster = try cluster()
        let workload = try Workload.made(memory: 400, affinities: ["service==web"])
        #expect(cluster.place(workload, 7) == .on(Array(repeating: "db-1", count: 7)))
        #expect(
            cluster.place(workload, 1, from: 8)
                == .refused("1 host lacks 400 MB of memory, 2 refused by affinity service==web"))
    }

    @Test func aRuleFollowsHostsThatJoinChangeAndLeave() throws {
        var cluster = try cluster()
        let workload = try Workload.made(memory: 1, affinities: ["label==disk=/^ssd$/", "zone!=b"])
        #expect(cluster.place(workload) == .on(["web-1"]))
        try cluster.add(.made("new", zone: "c", labels: ["disk": "ssd"]))
        #expect(cluster.place(workload, 1, from: 2) == .on(["new"]))
        try cluster.update(.made("web-2", zone: "d", labels: ["disk": "ssd"]))
        #expect(cluster.place(workload, 1, from: 3) == .on(["web-2"]))
        _ = cluster.remove(hostID("web-2"))
        try cluster.update(.made("new", zone: "c", labels: ["disk": "hdd"]))
        #expect(cluster.place(workload, 1, from: 4) == .on(["web-1"]))
    }

    @Test func rulesThatHaveNoEffectAreRemarkedOn() throws {
        let cluster = try cluster()
        let workload = try Workload.made(
            affinities: [
                "label!=disc=hdd", "label==~disk=nvme", "zone!=c", "node==~web-9", "zone!=~b", "label!=rack",
                "service!=cache", "zone==b",
            ])
        #expect(
            cluster.remarks(on: workload) == [
                "affinity label!=disc=hdd: no host has a label `disc`",
                "affinity label==~disk=nvme: no host has a label `disk` with the value `nvme`",
                "affinity zone!=c: no host is in a zone `c`", "affinity node==~web-9: no host is named `web-9`",
            ])
    }
}
