// SPDX-License-Identifier: Apache-2.0

extension Cluster {
    /// Why no host takes another instance.
    func explain(_ search: Search) -> Explanation {
        if hosts.members.isEmpty { return .noHosts }
        for affinity in search.workload.affinities where !affinity.isSoft && !affinity.isNegated {
            if let what = unmatched(affinity, for: search.workload) { return .unmatched(affinity, what) }
        }
        return .hosts(tallies(of: hosts.members, search))
    }

    /// What to tell a developer about wishes and exclusions that name what no host has, most likely by a slip of the
    /// pen: they have no effect. Demands of that kind are refused. Services come and go, so theirs are passed over.
    public func remarks(on workload: Workload) -> [String] {
        workload.affinities.filter { ($0.isSoft || $0.isNegated) && $0.subject != .service }.compactMap { affinity in
            unmatched(affinity, for: workload).map { "affinity \(affinity): \(affinity.unmatchedText($0))" }
        }
    }

    private func unmatched(_ affinity: Affinity, for workload: Workload) -> Explanation.Unmatched? {
        guard hosts(matching: affinity, for: workload).isEmpty else { return nil }
        return hosts.attributes.isKnown(affinity.subject) ? .value : .label
    }

    /// The first reason of each of the hosts that does not take an instance, counted.
    func tallies(of hosts: HostSet, _ search: Search) -> [Explanation.Tally] {
        var rest = hosts
        var refused: [Explanation.Tally] = []
        func count(_ reason: Explanation.Reason, _ number: Int) {
            if number > 0 { refused.append(Explanation.Tally(reason: reason, hosts: number)) }
        }
        for filter in search.filters {
            let before = rest.count
            filter.apply(to: &rest)
            count(filter.reason, before - rest.count)
        }
        var crowded = HostSet()
        if search.workload.strategy == .daemon {
            crowded = rest.intersection(search.occupied)
            rest.subtract(crowded)
        }
        let filtered = refused
        refused = []
        countScarce(rest, search.workload, count)
        count(.runsOneAlready, crowded.count)
        return refused + filtered
    }

    /// Counts hosts that pass every rule by what they lack.
    private func countScarce(
        _ candidates: HostSet, _ workload: Workload, _ count: (Explanation.Reason, Int) -> Void
    ) {
        let need = workload.resources
        var rest = candidates
        func sift(_ reason: Explanation.Reason, _ fails: (Int) -> Bool) {
            let failing = HostSet(rest.filter(fails))
            count(reason, failing.count)
            rest.subtract(failing)
        }
        sift(.lacksMemory(bytes: need.memoryBytes)) {
            !Resources(memoryBytes: need.memoryBytes).fits(in: hosts.free[$0])
        }
        sift(.lacksCPU(millicores: need.cpuMillicores)) {
            !Resources(cpuMillicores: need.cpuMillicores).fits(in: hosts.free[$0])
        }
        sift(.lacksDisk(bytes: need.diskBytes)) { !Resources(diskBytes: need.diskBytes).fits(in: hosts.free[$0]) }
        for port in workload.ports {
            let taken = hosts.hosts(withTaken: port)
            sift(.portTaken(port)) { taken.contains($0) }
        }
    }
}
