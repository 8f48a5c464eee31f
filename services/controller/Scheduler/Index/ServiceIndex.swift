// SPDX-License-Identifier: Apache-2.0
import Domain

/// Where the instances of each service are, those left out that are being stopped.
struct ServiceIndex: Sendable {
    /// How many instances of one service there are on a host.
    struct Presence: Hashable, Sendable {
        let slot: Int32
        var count: Int32
    }

    private struct Entry: Sendable {
        var service: Service
        /// Instances that refer to it, also those that are not counted any more.
        var references = 0
        /// In ascending order of slots.
        var presences: [Presence] = []
        /// By zone number; as long as needed.
        var zoneCounts: [Int32] = []
    }

    private var numbers: [Service: Int] = [:]
    private var entries: [Entry] = []
    private var unused: [Int] = []
    private var byEnvironment: [EnvironmentID: [Int]] = [:]

    /// The number under which the service is counted, which stays the same as long as it is referred to.
    mutating func refer(to service: Service) -> Int {
        let number: Int
        if let known = numbers[service] {
            number = known
        } else {
            if let free = unused.popLast() {
                entries[free] = Entry(service: service)
                number = free
            } else {
                entries.append(Entry(service: service))
                number = entries.count - 1
            }
            numbers[service] = number
            byEnvironment[service.environment, default: []].append(number)
        }
        entries[number].references += 1
        return number
    }

    mutating func dropReference(to number: Int) {
        entries[number].references -= 1
        guard entries[number].references == 0 else { return }
        let service = entries[number].service
        numbers[service] = nil
        byEnvironment[service.environment]?.removeAll { $0 == number }
        if byEnvironment[service.environment]?.isEmpty == true { byEnvironment[service.environment] = nil }
        unused.append(number)
    }

    func service(_ number: Int) -> Service { entries[number].service }

    /// Counts instances on a host in, or out with a negative number.
    mutating func count(_ change: Int, of number: Int, on slot: Int, zone: Int) {
        countZone(change, of: number, zone: zone)
        let position = entries[number].presences.partitioningIndex { Int($0.slot) >= slot }
        if position < entries[number].presences.count, Int(entries[number].presences[position].slot) == slot {
            entries[number].presences[position].count += Int32(change)
            if entries[number].presences[position].count == 0 { entries[number].presences.remove(at: position) }
        } else {
            entries[number].presences.insert(Presence(slot: Int32(slot), count: Int32(change)), at: position)
        }
    }

    /// For a host that has moved to another zone as well.
    mutating func countZone(_ change: Int, of number: Int, zone: Int) {
        while entries[number].zoneCounts.count <= zone { entries[number].zoneCounts.append(0) }
        entries[number].zoneCounts[zone] += Int32(change)
    }

    func presences(of service: Service) -> [Presence] { numbers[service].map { entries[$0].presences } ?? [] }

    /// Instances of the service in each of the first `zones` zones.
    func zoneCounts(of service: Service, zones: Int) -> [Int] {
        var counts = numbers[service].map { entries[$0].zoneCounts.map(Int.init) } ?? []
        counts += repeatElement(0, count: zones - counts.count)
        return counts
    }

    /// The hosts with instances of services of the environment that the pattern matches.
    func hosts(in environment: EnvironmentID, matching pattern: Pattern) -> HostSet {
        var hosts = HostSet()
        func add(_ presences: [Presence]) {
            for presence in presences { hosts.insert(Int(presence.slot)) }
        }
        if case .literal(let name) = pattern {
            add(presences(of: Service(environment: environment, name: name)))
        } else {
            for number in byEnvironment[environment] ?? [] where pattern.matches(entries[number].service.name) {
                add(entries[number].presences)
            }
        }
        return hosts
    }
}

extension Array {
    /// The first position whose element is on the far side of the predicate, which has to be false up to some
    /// position and true from there on.
    func partitioningIndex(where isBehind: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
