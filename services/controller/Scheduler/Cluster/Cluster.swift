// SPDX-License-Identifier: Apache-2.0
import Domain

/// A snapshot of a cloudspace's hosts and of what is placed on them, and the decisions made on it.
///
/// A value: it holds no clock and no randomness of its own, and the same calls in the same order give the same hosts.
/// A copy is a dry run. What always holds:
/// - `place` puts an instance only where it fits beside what is there, over-commit included, where no other has one
///   of its ports, and where the host's state, class and every hard rule allow it.
/// - It refuses only when there is no such host for the next instance. Instances are placed one after another and none
///   is moved again to make room for a later one; for instances of one service that makes no difference, unless a
///   rule of the service speaks of the service itself.
/// - A request changes everything it asks for, or nothing.
/// - `restore` and `update` tell facts and refuse none: capacity may then be below zero, and stays untouched.
public struct Cluster: Sendable {
    public let policy: Policy
    var hosts: HostTable
    var instances = InstanceTable()
    var services = ServiceIndex()

    public init(policy: Policy = Policy()) {
        self.policy = policy
        hosts = HostTable(overCommit: policy.overCommit)
    }

    public var hostCount: Int { hosts.count }
    public var instanceCount: Int { instances.count }

    // MARK: Hosts

    public mutating func add(_ host: Host) throws(SchedulerError) {
        try host.validate()
        guard hosts.slot(of: host.id) == nil else {
            throw SchedulerError(.hostExists, "host \(host.id) has joined already")
        }
        hosts.insert(host)
    }

    /// Replaces what is known of a host. What is placed on it stays, whatever it says now.
    public mutating func update(_ host: Host) throws(SchedulerError) {
        try host.validate()
        guard let slot = hosts.slot(of: host.id) else { throw Self.unknown(host.id) }
        let oldZone = hosts.zone(of: slot)
        hosts.update(slot, to: host)
        let zone = hosts.zone(of: slot)
        guard zone != oldZone else { return }
        for number in hosts.residents(of: slot) where !instances[number].isRetired {
            services.countZone(-1, of: Int(instances[number].service), zone: oldZone)
            services.countZone(1, of: Int(instances[number].service), zone: zone)
        }
    }

    /// Takes out a host, if there is such a one, with the instances on it, which are returned in the order of their
    /// ids.
    public mutating func remove(_ id: HostID) -> [InstanceID] {
        guard let slot = hosts.slot(of: id) else { return [] }
        let released = instances(on: id)
        for instance in released { release(instance) }
        hosts.remove(slot)
        return released
    }

    public func host(_ id: HostID) -> Host? { hosts.slot(of: id).map { hosts[$0] } }

    /// What instances can still be promised of a host. Below zero when it has less than is placed on it.
    public func free(on id: HostID) -> Resources? { hosts.slot(of: id).map { hosts.free[$0] } }

    static func unknown(_ id: HostID) -> SchedulerError {
        SchedulerError(.unknownHost, "host \(id) is not part of this cloudspace")
    }

    // MARK: Instances

    /// Records an instance that is on a host already, whatever the rules say.
    public mutating func restore(
        _ replica: Replica, of workload: Workload, on host: HostID, isRetired: Bool = false
    ) throws(SchedulerError) {
        guard let slot = hosts.slot(of: host) else { throw Self.unknown(host) }
        guard instances.number(of: replica.id) == nil else {
            throw SchedulerError(.instanceExists, "instance \(replica.id) is placed already")
        }
        put(replica, of: workload, on: slot)
        if isRetired { retire(replica.id) }
    }

    /// Gives back what the instance takes. Returns the host it was on, or `nil` when there is no such instance.
    @discardableResult
    public mutating func release(_ id: InstanceID) -> HostID? {
        guard let number = instances.number(of: id) else { return nil }
        let record = instances[number]
        retire(id)
        let slot = Int(record.slot)
        instances.remove(number)
        hosts.giveBack(
            record.resources, ports: record.ports.isEmpty ? [] : portsOnlyOf(record, number), on: slot, from: number)
        services.dropReference(to: Int(record.service))
        return hosts[slot].id
    }

    /// The instance is about to stop: it keeps its room and ports until it is released, but spreading, daemons and
    /// rules about services do not count it, so that those who follow it can go where it is.
    public mutating func retire(_ id: InstanceID) {
        guard let number = instances.number(of: id), !instances[number].isRetired else { return }
        let slot = Int(instances[number].slot)
        instances.retire(number)
        services.count(-1, of: Int(instances[number].service), on: slot, zone: hosts.zone(of: slot))
    }

    public func host(of instance: InstanceID) -> HostID? {
        instances.number(of: instance).map { hosts[Int(instances[$0].slot)].id }
    }

    /// In the order of their ids.
    public func instances(on host: HostID) -> [InstanceID] {
        guard let slot = hosts.slot(of: host) else { return [] }
        return hosts.residents(of: slot).map { instances[$0].id }.sorted()
    }

    // MARK: Within the module

    mutating func put(_ replica: Replica, of workload: Workload, on slot: Int) {
        put(
            InstanceTable.Record(
                id: replica.id, resources: workload.resources, ports: workload.ports, slot: Int32(slot),
                priority: Int16(workload.priority), holdsVolume: replica.volume != nil), of: workload.service)
    }

    mutating func put(_ record: InstanceTable.Record, of service: Service) {
        let slot = Int(record.slot)
        var record = record
        record.service = Int32(services.refer(to: service))
        let number = instances.insert(record)
        hosts.take(record.resources, ports: record.ports, on: slot, for: number)
        services.count(1, of: Int(record.service), on: slot, zone: hosts.zone(of: slot))
    }

    /// Two instances on a host have the same port only when `restore` was told so.
    private func portsOnlyOf(_ record: InstanceTable.Record, _ number: Int32) -> [UInt16] {
        let others = hosts.residents(of: Int(record.slot)).filter { $0 != number }
        return record.ports.filter { port in !others.contains { instances[$0].ports.contains(port) } }
    }
}
