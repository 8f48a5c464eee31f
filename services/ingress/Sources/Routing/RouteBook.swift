// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Synchronization

/// The routes as the follower writes them and the distributor, the snapshot writer and the start-up read them.
final class RouteBook: Sendable {
    private struct State {
        var table = RouteTable()
        var hasCaughtUp = false
        var busIsAway = false
    }

    private let state = Mutex(State())
    /// Raised with each change that others are to see.
    let changes = Signal()

    var table: RouteTable { state.withLock { $0.table } }
    /// The bus has told all current routes once.
    var hasCaughtUp: Bool { state.withLock { $0.hasCaughtUp } }

    func load(_ snapshot: RouteSnapshot) {
        state.withLock { $0.table.load(snapshot) }
        changes.raise()
    }

    func beginReload() { state.withLock { $0.table.beginReload() } }

    func endReload() {
        state.withLock { state in
            state.table.endReload()
            state.hasCaughtUp = true
            state.busIsAway = false
        }
        changes.raise()
    }

    func apply(_ desired: RouteDesired) throws {
        let isNews = try state.withLock { state in
            let hasChanged = try state.table.apply(desired)
            return hasChanged && !state.table.isReloading
        }
        if isNews { changes.raise() }
    }

    func remove(_ hostname: String) {
        let isNews = state.withLock { state in
            let hasChanged = state.table.remove(hostname)
            return hasChanged && !state.table.isReloading
        }
        if isNews { changes.raise() }
    }

    func noteBusAway() {
        state.withLock { $0.busIsAway = true }
        changes.raise()
    }

    /// Waits until the bus has told all routes. Waits no longer than `limit`, and not at all for a bus that is away
    /// when there is a snapshot to serve from.
    func waitUntilServable(limit: Duration) async {
        let end = ContinuousClock.now + limit
        while !Task.isCancelled {
            let count = changes.count
            let isEnough = state.withLock { $0.hasCaughtUp || ($0.table.isLoaded && $0.busIsAway) }
            let rest = end - ContinuousClock.now
            if isEnough || rest <= .zero { return }
            await changes.wait(since: count, timeout: rest)
        }
    }
}
