// SPDX-License-Identifier: Apache-2.0
import Domain

extension Cluster {
    /// An instance that made way, with all that is needed to put it back.
    struct Eviction {
        let service: Service
        let record: InstanceTable.Record
    }

    /// The instances that have to make way on one of the hosts; `nil` when preemption is off or cannot help.
    ///
    /// Only instances of strictly lower priority can be evicted that hold no volume, are not being stopped already and
    /// are not among those `spared`, which the same deployment has placed.
    /// No instance is evicted if evicting ones of lower priority would have done, on whatever host. Of the hosts where
    /// they do, the first `SchedulerLimits.preemptionHostsMax` are compared: it is the one where the fewest make way,
    /// then where the least memory is given up, then the one with the lower slot.
    func preemption(
        on candidates: HostSet, _ search: Search, sparing spared: @autoclosure () -> [InstanceID]
    ) -> ([Int32], on: Int)? {
        guard policy.allowsPreemption else { return nil }
        let priorities = instances.priorities(below: search.workload.priority)
        guard !priorities.isEmpty else { return nil }
        let spared = Set(spared())
        let hosts = search.workload.strategy == .daemon ? candidates.subtracting(search.occupied) : candidates
        func victims(_ slot: Int, _ highest: Int) -> [Int32]? {
            self.victims(on: slot, for: search.workload, upTo: highest, sparing: spared)
        }
        let level = priorities.partitioningIndex { highest in hosts.contains { victims($0, highest) != nil } }
        guard level < priorities.count else { return nil }
        var best: (victims: [Int32], slot: Int, cost: (Int, Int))?
        var rest = SchedulerLimits.preemptionHostsMax
        for slot in hosts where rest > 0 {
            guard let victims = victims(slot, priorities[level]) else { continue }
            rest -= 1
            let cost = (victims.count, victims.reduce(0) { $0 + instances[$1].resources.memoryBytes })
            if let best, best.cost <= cost { continue }
            best = (victims, slot, cost)
        }
        return best.map { ($0.victims, on: $0.slot) }
    }

    /// The instances of at most the priority `highest` without which there is room, lowest priority first; `nil` when
    /// even all of them would not do.
    ///
    /// Those that hold a wanted port, then the lowest priorities first and the largest among equals, until there is
    /// room; then each that turns out not to be needed stays, the highest priority first. So none can be spared.
    private func victims(
        on slot: Int, for workload: Workload, upTo highest: Int, sparing spared: Set<InstanceID>
    ) -> [Int32]? {
        let residents = hosts.residents(of: slot)
        // Most hosts are passed over here, before anything is copied or sorted.
        var most = hosts.free[slot]
        for number in residents where instances.isEvictable(number, upTo: highest) {
            most += instances.resources(of: number)
        }
        guard workload.resources.fits(in: most) else { return nil }
        let lower = residents.filter {
            instances.isEvictable($0, upTo: highest) && !spared.contains(instances[$0].id)
        }
        func holdsPort(_ number: Int32) -> Bool { instances[number].ports.contains(where: workload.ports.contains) }
        let holders = workload.ports.isEmpty ? [] : residents.filter(holdsPort)
        guard holders.allSatisfy(lower.contains) else { return nil }

        func isBefore(_ first: Int32, _ second: Int32) -> Bool {
            let (first, second) = (instances[first], instances[second])
            return (first.priority, -first.resources.memoryBytes, first.id)
                < (second.priority, -second.resources.memoryBytes, second.id)
        }
        var victims = holders
        var room = holders.reduce(into: hosts.free[slot]) { $0 += instances[$1].resources }
        for number in lower.filter({ !holders.contains($0) }).sorted(by: isBefore) {
            if workload.resources.fits(in: room) { break }
            victims.append(number)
            room += instances[number].resources
        }
        guard workload.resources.fits(in: room) else { return nil }
        for number in victims.dropFirst(holders.count).reversed()
        where workload.resources.fits(in: room - instances[number].resources) {
            room -= instances[number].resources
            victims.removeAll { $0 == number }
        }
        return victims.sorted(by: isBefore)
    }

    mutating func evict(_ number: Int32) -> Eviction {
        let record = instances[number]
        let eviction = Eviction(service: services.service(Int(record.service)), record: record)
        release(record.id)
        return eviction
    }
}
