// SPDX-License-Identifier: Apache-2.0
import Domain

extension Cluster {
    /// Places the instances of one service, all or none.
    public mutating func place(_ request: PlacementRequest) -> Outcome { place([request]) }

    /// Places the instances of several services one after another, all or none: a later service can be bound to an
    /// earlier one by a rule.
    public mutating func place(_ deployment: [PlacementRequest]) -> Outcome {
        var steps: [Step] = []
        for request in deployment {
            if let refusal = place(request, &steps) {
                for step in steps.reversed() { undo(step) }
                return .refused(refusal)
            }
        }
        return .placed(steps.map(\.assignment))
    }

    /// The hosts on which a daemon is still missing: new ones, and those that had no room before.
    public func coverage(of workload: Workload) -> DaemonCoverage {
        let search = Search(workload, in: self)
        let open = search.eligible.subtracting(search.occupied)
        let missing = open.filter { hosts.free.hasRoom($0, for: workload.resources) }
        let blocked = tallies(of: hosts.members.subtracting(search.occupied), search)
        return DaemonCoverage(missing: missing.map { hosts[$0].id }, blocked: blocked)
    }

    /// What was done for one instance, with all that is needed to take it back.
    private struct Step {
        let assignment: Assignment
        var evicted: [Eviction] = []
    }

    private mutating func place(_ request: PlacementRequest, _ steps: inout [Step]) -> Refusal? {
        let workload = request.workload
        hosts.remember(workload.affinities)
        var search = Search(workload, in: self)
        var generator = SplitMix64(seed: workload.strategy.seed)
        for replica in request.replicas {
            let slot: Int
            var evicted: [Eviction] = []
            switch decide(replica, search, after: steps, using: &generator) {
            case .take(let found): slot = found
            case .evict(let victims, let found):
                slot = found
                evicted = victims.map { evict($0) }
            case .refuse(let explanation):
                return Refusal(
                    instance: replica.id, service: workload.service, placedBefore: steps.count, explanation: explanation
                )
            }
            put(replica, of: workload, on: slot)
            let assignment = Assignment(
                instance: replica.id, host: hosts[slot].id, evicted: evicted.map(\.record.id))
            steps.append(Step(assignment: assignment, evicted: evicted))
            if search.dependsOnItself || !evicted.isEmpty {
                search = Search(workload, in: self)
            } else {
                search.note(slot, zone: hosts.zone(of: slot))
            }
        }
        return nil
    }

    private enum Decision {
        case take(Int)
        case evict([Int32], on: Int)
        case refuse(Explanation)
    }

    private func decide(
        _ replica: Replica, _ search: Search, after steps: [Step], using generator: inout SplitMix64
    ) -> Decision {
        if instances.number(of: replica.id) != nil { return .refuse(.instanceExists(replica.id)) }
        if let volume = replica.volume { return decide(volume, search, after: steps) }
        if let slot = replica.previousHost.flatMap(hosts.slot), takesNow(slot, search) { return .take(slot) }
        if let slot = choose(search, using: &generator) { return .take(slot) }
        if let (victims, slot) = preemption(on: search.allowed, search, sparing: steps.map(\.assignment.instance)) {
            return .evict(victims, on: slot)
        }
        return .refuse(explain(search))
    }

    private func decide(_ volume: VolumeLocation, _ search: Search, after steps: [Step]) -> Decision {
        guard let slot = hosts.slot(of: volume.host), hosts.members.contains(slot) else {
            return .refuse(.volumeHostUnknown(volume))
        }
        if takesNow(slot, search) { return .take(slot) }
        let only = search.allowed.intersection(HostSet([slot]))
        if let (victims, slot) = preemption(on: only, search, sparing: steps.map(\.assignment.instance)) {
            return .evict(victims, on: slot)
        }
        let tallies = tallies(of: HostSet([slot]), search)
        guard let reason = tallies.first?.reason else { preconditionFailure("a host that takes it has refused it") }
        return .refuse(.volume(volume, hostName: hosts[slot].name, reason))
    }

    private func takesNow(_ slot: Int, _ search: Search) -> Bool {
        search.eligible.contains(slot) && hosts.free.hasRoom(slot, for: search.workload.resources)
            && !(search.workload.strategy == .daemon && search.occupied.contains(slot))
    }

    private mutating func undo(_ step: Step) {
        release(step.assignment.instance)
        for eviction in step.evicted.reversed() { put(eviction.record, of: eviction.service) }
    }
}

extension Strategy {
    fileprivate var seed: UInt64 {
        if case .random(let seed) = self { return seed }
        return 0
    }
}
