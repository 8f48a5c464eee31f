// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler

/// What the scheduler promises, computed the slow way: no index, every host and every instance looked at each time.
struct Oracle {
    struct Instance {
        let workload: Workload
        let host: HostID
        let holdsVolume: Bool
        var isRetired = false
    }

    /// A rule together with what it means, written down independently of the parser and the matcher.
    struct Rule {
        enum Subject { case node, zone, label(String), service }
        let text: String
        let subject: Subject
        var isNegated = false
        var isSoft = false
        let accepts: @Sendable (String) -> Bool
    }

    var hosts: [HostID: Host] = [:]
    var instances: [InstanceID: Instance] = [:]
    let policy: Policy

    func free(on id: HostID, without leaving: Set<InstanceID> = []) -> Resources {
        guard let host = hosts[id] else { return Resources() }
        let percent = policy.overCommit
        let left = host.capacity - host.reserved
        let promised = Resources(
            memoryBytes: max(0, left.memoryBytes) * percent.memoryPercent / 100,
            cpuMillicores: max(0, left.cpuMillicores) * percent.cpuPercent / 100,
            diskBytes: max(0, left.diskBytes) * percent.diskPercent / 100)
        return instances.filter { $0.value.host == id && !leaving.contains($0.key) }
            .reduce(promised) { $0 - $1.value.workload.resources }
    }

    func count(of service: Service, where isMeant: (Host) -> Bool) -> Int {
        instances.values.count {
            $0.workload.service == service && !$0.isRetired && (hosts[$0.host].map(isMeant) ?? false)
        }
    }

    func hasRoom(_ id: HostID, for workload: Workload, without leaving: Set<InstanceID> = []) -> Bool {
        let free = free(on: id, without: leaving)
        let need = workload.resources
        let fits =
            (need.memoryBytes == 0 || need.memoryBytes <= free.memoryBytes)
            && (need.cpuMillicores == 0 || need.cpuMillicores <= free.cpuMillicores)
            && (need.diskBytes == 0 || need.diskBytes <= free.diskBytes)
        let taken = instances.filter { $0.value.host == id && !leaving.contains($0.key) }
            .flatMap { $0.value.workload.ports }
        return fits && !workload.ports.contains(where: taken.contains)
    }

    /// Whether the host, whatever room it has, may take an instance.
    func isAllowed(_ host: Host, for workload: Workload, _ rules: [Rule]) -> Bool {
        guard host.state == .ready, host.hasEngine, !host.hasDiskPressure,
            host.hostClass == .both || (host.hostClass == .builder) == (workload.purpose == .build)
        else { return false }
        if workload.strategy == .daemon, count(of: workload.service, where: { $0.id == host.id }) > 0 { return false }
        return rules.allSatisfy { $0.isSoft || isMet($0, by: host, for: workload) }
    }

    func isMet(_ rule: Rule, by host: Host, for workload: Workload) -> Bool {
        let isMatch: Bool
        switch rule.subject {
        case .node: isMatch = rule.accepts(host.name)
        case .zone: isMatch = rule.accepts(host.zone)
        case .label(let name): isMatch = host.labels[name].map(rule.accepts) ?? false
        case .service:
            let running = instances.values.filter {
                !$0.isRetired && $0.workload.service.environment == workload.service.environment
                    && rule.accepts($0.workload.service.name)
            }
            let isFirst = running.isEmpty && !rule.isNegated && rule.accepts(workload.service.name)
            isMatch = isFirst || running.contains { $0.host == host.id }
        }
        return isMatch != rule.isNegated
    }

    /// Hosts that can take an instance now.
    func candidates(for workload: Workload, _ rules: [Rule]) -> [Host] {
        hosts.values.filter { isAllowed($0, for: workload, rules) && hasRoom($0.id, for: workload) }
    }

    /// Hosts that the strategy may choose from those that can take an instance: ties are open.
    func choices(for workload: Workload, _ rules: [Rule]) -> Set<HostID> {
        var candidates = candidates(for: workload, rules)
        for rule in rules where rule.isSoft {
            let wished = candidates.filter { isMet(rule, by: $0, for: workload) }
            if !wished.isEmpty { candidates = wished }
        }
        func rank(_ host: Host) -> [Int] {
            switch workload.strategy {
            case .ha:
                [
                    count(of: workload.service) { $0.zone == host.zone },
                    count(of: workload.service) { $0.id == host.id }, -free(on: host.id).memoryBytes,
                ]
            case .binpack: [free(on: host.id).memoryBytes]
            case .daemon, .random: []
            }
        }
        guard let best = candidates.map(rank).min(by: { $0.lexicographicallyPrecedes($1) }) else { return [] }
        return Set(candidates.filter { rank($0) == best }.map(\.id))
    }

    /// How many more instances the host can take at most, up to a limit.
    func roomCount(_ host: Host, for workload: Workload, _ rules: [Rule], limit: Int) -> Int {
        guard isAllowed(host, for: workload, rules) else { return 0 }
        var trial = self
        var count = 0
        let most = workload.ports.isEmpty && workload.strategy != .daemon ? limit : 1
        while count < most, trial.hasRoom(host.id, for: workload) {
            count += 1
            trial.instances[InstanceID("trial_\(count)")] = Instance(
                workload: workload, host: host.id, holdsVolume: false)
        }
        return count
    }

    /// The least possible difference between the zones with the most and the fewest instances of the service once
    /// `count` more are placed, over all ways to do so; `nil` when there is none. Zones that rules close are left out.
    func spreadMin(of count: Int, for workload: Workload, _ rules: [Rule]) -> Int? {
        let open = hosts.values.filter { isAllowed($0, for: workload, rules) }
        let zones = Set(open.map(\.zone)).map { zone in
            (
                here: self.count(of: workload.service) { $0.zone == zone },
                room: open.filter { $0.zone == zone }.reduce(0) {
                    $0 + roomCount($1, for: workload, rules, limit: count)
                }
            )
        }
        func least(_ zone: Int, _ left: Int, _ counts: [Int]) -> Int? {
            guard zone < zones.count else {
                guard left == 0, let most = counts.max(), let fewest = counts.min() else { return nil }
                return most - fewest
            }
            return (0...min(left, zones[zone].room)).compactMap {
                least(zone + 1, left - $0, counts + [zones[zone].here + $0])
            }.min()
        }
        return least(0, count, [])
    }
}
