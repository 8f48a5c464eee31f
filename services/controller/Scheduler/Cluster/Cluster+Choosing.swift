// SPDX-License-Identifier: Apache-2.0

extension Cluster {
    /// The host that the strategy of the workload takes for its next instance; `nil` when none has room.
    ///
    /// Soft rules come before the strategy: in the order written, each leaves only the hosts that meet it, unless
    /// none of those has room.
    func choose(_ search: Search, using generator: inout SplitMix64) -> Int? {
        let need = search.workload.resources
        var candidates = search.eligible
        if search.workload.strategy == .daemon { candidates.subtract(search.occupied) }
        for wish in search.wishes {
            let wished = candidates.intersection(wish)
            if hosts.free.hasRoom(in: wished, for: need) { candidates = wished }
        }
        return switch search.workload.strategy {
        case .ha: chooseSpread(candidates, search)
        case .daemon: hosts.free.first(in: candidates, for: need)
        case .random: hosts.free.any(in: candidates, for: need, using: &generator)
        case .binpack: hosts.free.tightest(in: candidates, for: need)
        }
    }

    private func chooseSpread(_ candidates: HostSet, _ search: Search) -> Int? {
        let need = search.workload.resources
        var level = -1
        // Zones from the one with the fewest instances of the service on, those with the same number together.
        while let next = search.zoneCounts.filter({ $0 > level }).min() {
            level = next
            var tied = HostSet()
            for zone in hosts.zones.indices where search.zoneCounts[zone] == level { tied.formUnion(hosts.zones[zone]) }
            tied.formIntersection(candidates)
            if let slot = hosts.free.roomiest(in: tied.subtracting(search.occupied), for: need) { return slot }
            tied.formIntersection(search.occupied)
            if let slot = leastCrowded(tied, search) { return slot }
        }
        return nil
    }

    /// Of hosts that run the service the one with the fewest instances of it, then the one with the most memory left.
    private func leastCrowded(_ candidates: HostSet, _ search: Search) -> Int? {
        guard hosts.free.hasRoom(in: candidates, for: search.workload.resources) else { return nil }
        var best: (slot: Int, count: Int32, memory: Int)?
        for presence in services.presences(of: search.workload.service) {
            let slot = Int(presence.slot)
            guard candidates.contains(slot), hosts.free.hasRoom(slot, for: search.workload.resources) else { continue }
            let memory = hosts.free[slot].memoryBytes
            if let best, (best.count, -best.memory) <= (presence.count, -memory) { continue }
            best = (slot, presence.count, memory)
        }
        return best?.slot
    }
}
