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
    /// On a host the rule is: those that hold a wanted port, then the lowest priorities first and the largest among
    /// equals, until there is room; then each that turns out not to be needed stays, the highest priority first. So
    /// none of them can be spared, and no priority is touched when lower ones would have done.
    /// Of the hosts it is the one where the highest priority evicted is lowest, then where the fewest make way, then
    /// where the least memory is given up, then the one with the lower slot.
    func preemption(
        on candidates: HostSet, _ search: Search, sparing spared: @autoclosure () -> [InstanceID]
    ) -> ([Int32], on: Int)? {
        guard policy.allowsPreemption, let lowest = instances.lowestPriority, lowest < search.workload.priority
        else { return nil }
        let spared = Set(spared())
        var best: (victims: [Int32], slot: Int, cost: (Int16, Int, Int))?
        let hosts = search.workload.strategy == .daemon ? candidates.subtracting(search.occupied) : candidates
        for slot in hosts {
            guard let victims = victims(on: slot, for: search.workload, sparing: spared) else { continue }
            let cost = cost(of: victims)
            if let best, best.cost <= cost { continue }
            best = (victims, slot, cost)
        }
        return best.map { ($0.victims, on: $0.slot) }
    }

    private func cost(of victims: [Int32]) -> (Int16, Int, Int) {
        let records = victims.map { instances[$0] }
        return (
            records.map(\.priority).max() ?? .min, victims.count, records.reduce(0) { $0 + $1.resources.memoryBytes }
        )
    }

    /// Lowest priority first; `nil` when even all of lower priority would not do.
    private func victims(on slot: Int, for workload: Workload, sparing spared: Set<InstanceID>) -> [Int32]? {
        let residents = hosts.residents(of: slot)
        let lower = residents.filter { number in
            let record = instances[number]
            return Int(record.priority) < workload.priority && !record.holdsVolume && !record.isRetired
                && !spared.contains(record.id)
        }
        let most = lower.reduce(into: hosts.free[slot]) { $0 += instances[$1].resources }
        guard workload.resources.fits(in: most) else { return nil }
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
