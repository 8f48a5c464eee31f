// SPDX-License-Identifier: Apache-2.0
import Domain
import Scheduler

/// The anchor: for each instance it looks at every host. It spares itself rules about services and wishes.
struct NaiveScheduler {
    private struct Entry {
        let host: Host
        var free: Resources
        var services: [Service: Int] = [:]
    }

    private var entries: [Entry]
    private var zoneCounts: [Service: [String: Int]] = [:]

    init(_ hosts: [Host]) {
        entries = hosts.map {
            var free = $0.capacity - $0.reserved
            free.cpuMillicores *= 4
            return Entry(host: $0, free: free)
        }
    }

    /// Places one instance; false when no host has room.
    mutating func place(_ workload: Workload, _ rule: Rule?, using generator: inout Numbers) -> Bool {
        let zones = zoneCounts[workload.service, default: [:]]
        var best: (index: Int, rank: (Int, Int, Int))?
        for (index, entry) in entries.enumerated() {
            guard entry.host.state == .ready, entry.host.hasEngine, !entry.host.hasDiskPressure,
                entry.host.hostClass != .builder, rule?.allows(entry.host) ?? true,
                workload.resources.fits(in: entry.free)
            else { continue }
            let here = entry.services[workload.service] ?? 0
            let rank: (Int, Int, Int)
            switch workload.strategy {
            case .ha: rank = (zones[entry.host.zone] ?? 0, here, -entry.free.memoryBytes)
            case .binpack: rank = (entry.free.memoryBytes, 0, 0)
            case .random: rank = (Int(generator.next() >> 1), 0, 0)
            case .daemon:
                guard here == 0 else { continue }
                rank = (0, 0, 0)
            }
            if let best, best.rank <= rank { continue }
            best = (index, rank)
        }
        guard let index = best?.index else { return false }
        entries[index].free -= workload.resources
        entries[index].services[workload.service, default: 0] += 1
        zoneCounts[workload.service, default: [:]][entries[index].host.zone, default: 0] += 1
        return true
    }
}
