// SPDX-License-Identifier: Apache-2.0

/// A workload's demands in terms of hosts, made once for all instances of a request.
struct Search {
    /// Hosts that do not take the instance, and why. A host is told off by the first that it fails.
    struct Filter {
        let reason: Explanation.Reason
        let hosts: HostSet
        /// The hosts named are those that pass, and not those that fail.
        var isDemand = false

        func apply(to candidates: inout HostSet) {
            if isDemand { candidates.formIntersection(hosts) } else { candidates.subtract(hosts) }
        }
    }

    let workload: Workload
    let filters: [Filter]
    /// Hosts that pass all filters, whatever room and ports they have.
    let allowed: HostSet
    /// Hosts that are allowed and have the ports free.
    private(set) var eligible: HostSet
    /// For each soft rule, in the order written, the hosts that meet it.
    let wishes: [HostSet]
    /// Hosts that run the service.
    private(set) var occupied: HostSet
    /// Instances of the service by zone number.
    private(set) var zoneCounts: [Int]
    /// A rule speaks of the service itself, so that each instance changes what the next may do.
    let dependsOnItself: Bool

    init(_ workload: Workload, in cluster: Cluster) {
        self.workload = workload
        let hosts = cluster.hosts
        filters = Self.filters(workload, in: cluster)
        var allowed = hosts.members
        for filter in filters { filter.apply(to: &allowed) }
        self.allowed = allowed
        var eligible = allowed
        for port in workload.ports { eligible.subtract(hosts.hosts(withTaken: port)) }
        self.eligible = eligible
        wishes = workload.affinities.filter(\.isSoft).map { affinity in
            let matching = cluster.hosts(matching: affinity, for: workload)
            return affinity.isNegated ? hosts.members.subtracting(matching) : matching
        }
        occupied = cluster.services.hosts(in: workload.service.environment, matching: .literal(workload.service.name))
        zoneCounts = cluster.services.zoneCounts(of: workload.service, zones: hosts.zones.count)
        dependsOnItself = workload.affinities.contains {
            $0.subject == .service && $0.pattern.matches(workload.service.name)
        }
    }

    private static func filters(_ workload: Workload, in cluster: Cluster) -> [Filter] {
        let hosts = cluster.hosts
        var filters: [Filter] = []
        func add(_ reason: Explanation.Reason, _ failing: HostSet) {
            if !failing.isEmpty { filters.append(Filter(reason: reason, hosts: failing)) }
        }
        for state in Host.State.allCases where state != .ready && state != .removed {
            add(.state(state), hosts.hosts(in: state))
        }
        add(.noEngine, hosts.withoutEngine)
        add(.diskPressure, hosts.underDiskPressure)
        add(.notFor(workload.purpose), hosts.hosts(of: workload.purpose == .run ? .builder : .runner))
        for affinity in workload.affinities where !affinity.isSoft {
            filters.append(
                Filter(
                    reason: .affinity(affinity), hosts: cluster.hosts(matching: affinity, for: workload),
                    isDemand: !affinity.isNegated))
        }
        return filters
    }

    /// Takes note of an instance that was just placed.
    mutating func note(_ slot: Int, zone: Int) {
        occupied.insert(slot)
        zoneCounts[zone] += 1
        if !workload.ports.isEmpty { eligible.remove(slot) }
    }
}

extension Cluster {
    /// The hosts that the rule speaks of, its negation left aside.
    func hosts(matching affinity: Affinity, for workload: Workload) -> HostSet {
        guard affinity.subject == .service else { return hosts.attributes.hosts(matching: affinity) }
        let running = services.hosts(in: workload.service.environment, matching: affinity.pattern)
        // Otherwise a service that wants to be with its own instances could never begin.
        let isFirst = running.isEmpty && !affinity.isNegated && affinity.pattern.matches(workload.service.name)
        return isFirst ? hosts.members : running
    }
}
