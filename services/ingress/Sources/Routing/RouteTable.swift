// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import NIOCore

/// Where each hostname's requests go. A value: a loop keeps the version it was given until it is given the next.
struct RouteTable: Sendable {
    struct Upstream: Sendable, Equatable {
        /// Names this upstream in the pools of all loops; never given twice in a process.
        let id: Int
        let instance: InstanceID
        let address: SocketAddress
    }

    struct Route: Sendable, Equatable {
        let desired: RouteDesired
        let upstreams: [Upstream]
    }

    /// A record that is not followed, for the log.
    struct Refusal: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    private struct Use: Sendable {
        let upstream: Upstream
        var count: Int
    }

    /// The hostnames and the highest generation seen since a reading of all current routes began.
    private struct Reload: Sendable {
        var hostnames: Set<String> = []
        var generation = 0

        mutating func note(_ desired: RouteDesired) {
            hostnames.insert(desired.hostname)
            generation = max(generation, desired.generation)
        }
    }

    /// Counts changes, so that an older table never replaces a newer one.
    private(set) var version = 0
    /// The highest generation of any route followed so far.
    private(set) var generation = 0
    /// Whether there is anything to route by, were it nothing: from a snapshot or from the bus.
    private(set) var isLoaded = false
    private var routes: [String: Route] = [:]
    private var uses: [RouteDesired.Upstream: Use] = [:]
    private var namedUpstreams: Set<Int> = []
    private var instances: [InstanceID: Int] = [:]
    private var nextUpstreamID = 0
    private var reload: Reload?

    var count: Int { routes.count }
    var isReloading: Bool { reload != nil }
    /// In the order of hostnames.
    var desired: [RouteDesired] { routes.values.map(\.desired).sorted { $0.hostname < $1.hostname } }

    func route(for hostname: String) -> Route? { routes[hostname] }
    func names(upstream id: Int) -> Bool { namedUpstreams.contains(id) }
    func names(_ instance: InstanceID) -> Bool { instances[instance] != nil }

    /// The last snapshot: good to route by until the bus tells what is true now.
    mutating func load(_ snapshot: RouteSnapshot) {
        for desired in snapshot.routes { _ = try? apply(desired) }
        generation = snapshot.generation
        isLoaded = true
        version += 1
    }

    /// All current routes are about to be read: what does not appear until `endReload` is no more.
    mutating func beginReload() { reload = Reload() }

    mutating func endReload() {
        guard let reload else { return }
        for hostname in Array(routes.keys) where !reload.hostnames.contains(hostname) { drop(hostname) }
        generation = reload.generation
        self.reload = nil
        isLoaded = true
        version += 1
    }

    /// Follows a route, unless a later generation of it is known.
    ///
    /// - Returns: whether anything changed.
    mutating func apply(_ desired: RouteDesired) throws(Refusal) -> Bool {
        let hostname = desired.hostname
        guard !hostname.isEmpty, hostname.utf8.allSatisfy({ ASCII.lowercased($0) == $0 && $0 > ASCII.space }) else {
            throw Refusal(description: "hostname \"\(hostname)\" is not in lower case")
        }
        guard desired.upstreams.count <= IngressLimits.upstreamsPerRouteMax else {
            throw Refusal(description: "\(hostname) has more than \(IngressLimits.upstreamsPerRouteMax) upstreams")
        }
        // While all is read again the bus alone is right: its generations may have begun anew.
        if reload == nil, let known = routes[hostname], known.desired.generation > desired.generation { return false }
        guard routes[hostname] != nil || routes.count < IngressLimits.routesMax else {
            throw Refusal(description: "there are more than \(IngressLimits.routesMax) routes")
        }
        var addresses: [SocketAddress] = []
        for upstream in desired.upstreams {
            guard (1...65_535).contains(upstream.port),
                let address = try? SocketAddress(ipAddress: upstream.address, port: upstream.port)
            else {
                throw Refusal(
                    description: "\(hostname) names \(upstream.address):\(upstream.port): "
                        + "an upstream is an IP address and a port from 1 to 65535")
            }
            addresses.append(address)
        }
        reload?.note(desired)
        generation = max(generation, desired.generation)
        let old = routes[hostname]
        if old?.desired == desired { return false }
        // Taken before the old ones are given up, so that an upstream that stays keeps its id and its pool.
        let upstreams = zip(desired.upstreams, addresses).map { use($0, at: $1) }
        if let old { giveUp(old) }
        routes[hostname] = Route(desired: desired, upstreams: upstreams)
        version += 1
        return true
    }

    /// Follows a tombstone.
    mutating func remove(_ hostname: String) -> Bool {
        reload?.hostnames.remove(hostname)
        return drop(hostname)
    }

    @discardableResult
    private mutating func drop(_ hostname: String) -> Bool {
        guard let old = routes.removeValue(forKey: hostname) else { return false }
        giveUp(old)
        version += 1
        return true
    }

    private mutating func use(_ desired: RouteDesired.Upstream, at address: SocketAddress) -> Upstream {
        instances[desired.instance, default: 0] += 1
        if let known = uses[desired] {
            uses[desired] = Use(upstream: known.upstream, count: known.count + 1)
            return known.upstream
        }
        let upstream = Upstream(id: nextUpstreamID, instance: desired.instance, address: address)
        nextUpstreamID += 1
        uses[desired] = Use(upstream: upstream, count: 1)
        namedUpstreams.insert(upstream.id)
        return upstream
    }

    private mutating func giveUp(_ route: Route) {
        for desired in route.desired.upstreams {
            if let count = instances[desired.instance] {
                instances[desired.instance] = count > 1 ? count - 1 : nil
            }
            guard let use = uses[desired] else { continue }
            if use.count > 1 {
                uses[desired] = Use(upstream: use.upstream, count: use.count - 1)
            } else {
                uses[desired] = nil
                namedUpstreams.remove(use.upstream.id)
            }
        }
    }
}
