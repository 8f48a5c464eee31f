// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler
import Testing

struct VolumeTests {
    private func replica(_ number: Int, on host: String) -> Replica {
        Replica(id: instanceID("db-\(number)"), volume: VolumeLocation(name: "data", host: hostID(host)))
    }

    @Test func anInstanceStaysWithItsVolume() throws {
        var cluster = try Cluster.made([.made("h0", memory: 5000), .made("h1")])
        #expect(try cluster.place(.made("db", affinities: ["node==~h0"]), replica(1, on: "h1")) == .on(["h1"]))
    }

    @Test(arguments: [
        (Host.State.lost, "volume data is on host h1, which is lost"),
        (.draining, "volume data is on host h1, which is draining"),
        (.removed, "volume data is on host hst_h1, which is not part of this cloudspace any more"),
    ])
    func aVolumeOnAHostThatTakesNothingIsWaitedFor(_ state: Host.State, _ explanation: String) throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", state: state)])
        #expect(try cluster.place(.made("db"), replica(1, on: "h1")) == .refused(explanation))
    }

    @Test func theReasonIsThatOfTheVolumesHost() throws {
        var cluster = try Cluster.made([.made("h0"), .made("h1", zone: "b", memory: 50)])
        #expect(
            try cluster.place(.made("db"), replica(1, on: "h1"))
                == .refused("volume data is on host h1, which lacks 100 MB of memory"))
        #expect(
            try cluster.place(.made("db", affinities: ["zone==a"]), replica(1, on: "h1"))
                == .refused("volume data is on host h1, which is refused by affinity zone==a"))
        #expect(
            try cluster.place(.made("db"), replica(1, on: "h9"))
                == .refused("volume data is on host hst_h9, which is not part of this cloudspace any more"))
        let daemon = try Workload.made("db", memory: 1, strategy: .daemon)
        #expect(cluster.place(daemon, replica(1, on: "h1")) == .on(["h1"]))
        #expect(
            cluster.place(daemon, replica(2, on: "h1"))
                == .refused("volume data is on host h1, which runs one already"))
    }
}
