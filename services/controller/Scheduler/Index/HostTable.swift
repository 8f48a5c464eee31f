// SPDX-License-Identifier: Apache-2.0
import Domain

/// The hosts by slot, with every index over them. A slot is given to another host once its host is removed.
struct HostTable: Sendable {
    private let overCommit: OverCommit
    private var slots: [HostID: Int] = [:]
    private var hosts: [Host?] = []
    private var unused: [Int] = []
    /// Numbers of the instances on each host.
    private var residents: [[Int32]] = []
    private(set) var free = FreeCapacity()
    private(set) var attributes = AttributeIndex()
    /// All but those in state removed, which count as none.
    private(set) var members = HostSet()
    private var byState: [Host.State: HostSet] = [:]
    private var byClass: [Host.Class: HostSet] = [:]
    private(set) var withoutEngine = HostSet()
    private(set) var underDiskPressure = HostSet()
    private var portTaken: [UInt16: HostSet] = [:]
    private var zoneNumbers: [String: Int] = [:]
    private var zoneBySlot: [Int] = []
    /// By zone number. A zone keeps its number when its last host leaves.
    private(set) var zones: [HostSet] = []

    init(overCommit: OverCommit) { self.overCommit = overCommit }

    var count: Int { slots.count }

    func slot(of id: HostID) -> Int? { slots[id] }

    subscript(slot: Int) -> Host {
        guard let host = hosts[slot] else { preconditionFailure("no host has slot \(slot)") }
        return host
    }

    func zone(of slot: Int) -> Int { zoneBySlot[slot] }
    func residents(of slot: Int) -> [Int32] { residents[slot] }
    func hosts(in state: Host.State) -> HostSet { byState[state] ?? HostSet() }
    func hosts(of hostClass: Host.Class) -> HostSet { byClass[hostClass] ?? HostSet() }
    func hosts(withTaken port: UInt16) -> HostSet { portTaken[port] ?? HostSet() }

    // MARK: Hosts

    mutating func insert(_ host: Host) {
        let slot: Int
        if let free = unused.popLast() {
            slot = free
        } else {
            slot = hosts.count
            hosts.append(nil)
            residents.append([])
            zoneBySlot.append(0)
            free.append()
        }
        slots[host.id] = slot
        hosts[slot] = host
        zoneBySlot[slot] = zoneNumber(host.zone)
        zones[zoneBySlot[slot]].insert(slot)
        attributes.insert(host, at: slot)
        setStatus(of: host, at: slot)
        free.set(slot, to: overCommit.allocatable(of: host))
    }

    /// Takes the host of the slot out. No instance may be on it any more.
    mutating func remove(_ slot: Int) {
        let host = self[slot]
        precondition(residents[slot].isEmpty, "host \(host.id) has instances")
        attributes.remove(host, at: slot)
        clearStatus(of: host, at: slot)
        zones[zoneBySlot[slot]].remove(slot)
        free.set(slot, to: Resources())
        hosts[slot] = nil
        slots[host.id] = nil
        unused.append(slot)
    }

    /// Replaces what is known of a host; what is placed on it stays.
    mutating func update(_ slot: Int, to host: Host) {
        let old = self[slot]
        guard old != host else { return }
        hosts[slot] = host
        if (old.name, old.zone, old.labels) != (host.name, host.zone, host.labels) {
            attributes.remove(old, at: slot)
            attributes.insert(host, at: slot)
            zones[zoneBySlot[slot]].remove(slot)
            zoneBySlot[slot] = zoneNumber(host.zone)
            zones[zoneBySlot[slot]].insert(slot)
        }
        clearStatus(of: old, at: slot)
        setStatus(of: host, at: slot)
        free.set(slot, to: free[slot] - overCommit.allocatable(of: old) + overCommit.allocatable(of: host))
    }

    private mutating func setStatus(of host: Host, at slot: Int) {
        members.set(slot, to: host.state != .removed)
        byState[host.state, default: HostSet()].insert(slot)
        byClass[host.hostClass, default: HostSet()].insert(slot)
        withoutEngine.set(slot, to: !host.hasEngine)
        underDiskPressure.set(slot, to: host.hasDiskPressure)
    }

    private mutating func clearStatus(of host: Host, at slot: Int) {
        members.remove(slot)
        byState[host.state]?.remove(slot)
        byClass[host.hostClass]?.remove(slot)
        withoutEngine.remove(slot)
        underDiskPressure.remove(slot)
    }

    private mutating func zoneNumber(_ name: String) -> Int {
        if let number = zoneNumbers[name] { return number }
        zoneNumbers[name] = zones.count
        zones.append(HostSet())
        return zones.count - 1
    }

    // MARK: What is placed

    mutating func take(_ resources: Resources, ports: [UInt16], on slot: Int, for instance: Int32) {
        free.set(slot, to: free[slot] - resources)
        for port in ports { portTaken[port, default: HostSet()].insert(slot) }
        residents[slot].append(instance)
    }

    /// `ports` are those that no other instance on the host has.
    mutating func giveBack(_ resources: Resources, ports: [UInt16], on slot: Int, from instance: Int32) {
        free.set(slot, to: free[slot] + resources)
        for port in ports {
            portTaken[port]?.remove(slot)
            if portTaken[port]?.isEmpty == true { portTaken[port] = nil }
        }
        if let position = residents[slot].firstIndex(of: instance) {
            residents[slot].swapAt(position, residents[slot].count - 1)
            residents[slot].removeLast()
        }
    }

    mutating func remember(_ affinities: [Affinity]) { attributes.remember(affinities) }
}
