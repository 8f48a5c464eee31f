// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore

/// One loop's view of the instances: requests in flight to each, and the connections kept for the next.
///
/// Generic over the connection, so that its decisions can be tested without any.
struct UpstreamPool<Connection: AnyObject> {
    enum Choice: Equatable {
        case chosen(RouteTable.Upstream)
        /// Each was tried already, or there is none.
        case exhausted
        /// Each has as many requests in flight as it may have.
        case saturated
    }

    private struct Idle {
        let connection: Connection
        let since: NIODeadline
    }

    private struct Slot {
        let instance: InstanceID
        /// A route names it: otherwise it drains.
        var isNamed = true
        var inFlight = 0
        /// The last is the one used last.
        var idle: [Idle] = []
    }

    private var slots: [Int: Slot] = [:]
    private var rotation = 0

    /// The upstream with the fewest requests in flight; among equals they take turns.
    mutating func choose(from upstreams: [RouteTable.Upstream], excluding tried: [Int]) -> Choice {
        guard !upstreams.isEmpty else { return .exhausted }
        rotation = (rotation + 1) % upstreams.count
        var best: RouteTable.Upstream?
        var fewest = Int.max
        for offset in 0..<upstreams.count {
            let upstream = upstreams[(rotation + offset) % upstreams.count]
            if tried.contains(upstream.id) { continue }
            let inFlight = slots[upstream.id]?.inFlight ?? 0
            if inFlight < fewest {
                best = upstream
                fewest = inFlight
            }
        }
        guard let best else { return .exhausted }
        return fewest < IngressLimits.upstreamInFlightMax ? .chosen(best) : .saturated
    }

    /// A request is on its way to an upstream of the current table.
    mutating func begin(_ upstream: RouteTable.Upstream) {
        slots[upstream.id, default: Slot(instance: upstream.instance)].inFlight += 1
    }

    /// A request that began is over.
    ///
    /// - Returns: whether the upstream was draining and is now drained.
    mutating func end(_ upstream: RouteTable.Upstream) -> Bool {
        guard let slot = slots[upstream.id] else { return false }
        if !slot.isNamed, slot.inFlight <= 1 {
            slots[upstream.id] = nil
            return true
        }
        slots[upstream.id]?.inFlight -= 1
        return false
    }

    /// The connection used last, unless that is longer ago than `ageMax`.
    mutating func takeIdle(_ upstream: RouteTable.Upstream, now: NIODeadline, ageMax: TimeAmount) -> Connection? {
        guard let last = slots[upstream.id]?.idle.last, last.since + ageMax >= now else { return nil }
        slots[upstream.id]?.idle.removeLast()
        return last.connection
    }

    /// Keeps a connection for the next request.
    ///
    /// - Returns: `false` when it is not wanted and must be closed.
    mutating func keep(_ connection: Connection, for upstream: RouteTable.Upstream, now: NIODeadline) -> Bool {
        guard let slot = slots[upstream.id], slot.isNamed, slot.idle.count < IngressLimits.upstreamIdleMax else {
            return false
        }
        slots[upstream.id]?.idle.append(Idle(connection: connection, since: now))
        return true
    }

    /// A kept connection closed.
    mutating func forget(_ connection: Connection, of upstream: RouteTable.Upstream) {
        slots[upstream.id]?.idle.removeAll { $0.connection === connection }
    }

    /// - Returns: connections to close, those kept for upstreams that no route names any more.
    mutating func apply(_ table: RouteTable) -> [Connection] {
        var closing: [Connection] = []
        for id in Array(slots.keys) {
            let isNamed = table.names(upstream: id)
            slots[id]?.isNamed = isNamed
            if isNamed { continue }
            closing += slots[id]?.idle.map(\.connection) ?? []
            slots[id]?.idle = []
            if slots[id]?.inFlight == 0 { slots[id] = nil }
        }
        return closing
    }

    /// Kept connections, all of which are given up.
    mutating func removeAllIdle() -> [Connection] {
        var closing: [Connection] = []
        for id in Array(slots.keys) {
            closing += slots[id]?.idle.map(\.connection) ?? []
            slots[id]?.idle = []
        }
        return closing
    }

    func inFlight(_ upstream: RouteTable.Upstream) -> Int { slots[upstream.id]?.inFlight ?? 0 }
    func idleCount(_ upstream: RouteTable.Upstream) -> Int { slots[upstream.id]?.idle.count ?? 0 }

    /// Requests in flight to instances that no route names.
    func draining(_ table: RouteTable) -> [InstanceID: Int] {
        var counts: [InstanceID: Int] = [:]
        for slot in slots.values where !slot.isNamed && slot.inFlight > 0 && !table.names(slot.instance) {
            counts[slot.instance, default: 0] += slot.inFlight
        }
        return counts
    }
}
