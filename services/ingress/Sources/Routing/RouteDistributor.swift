// SPDX-License-Identifier: Apache-2.0
import EventBus
import Logging
import ServiceLifecycle
import Synchronization

/// Hands each new table to all loops and tells the announcer once all of them route by it. Changes that come
/// meanwhile are handed over together.
struct RouteDistributor: Service {
    let book: RouteBook
    let loops: IngressLoops
    let served: ServedGeneration
    /// Called when there is a table to route by, from the bus or a snapshot, and all loops have it.
    let onLoaded: @Sendable () -> Void
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var distributed = -1
            while !Task.isCancelled {
                let count = book.changes.count
                // In this order: a table read after the bus had told all is no older than that.
                let hasCaughtUp = book.hasCaughtUp
                let table = book.table
                if table.version != distributed, !table.isReloading {
                    do {
                        try await loops.apply(table)
                        distributed = table.version
                        if table.isLoaded { onLoaded() }
                        // A snapshot's generation is what was true; only what the bus said is acknowledged.
                        if hasCaughtUp { served.advance(to: table.generation) }
                    } catch {
                        // The loops are gone: the process is stopping.
                        logger.debug("routes not distributed", metadata: ["error": "\(error)"])
                        return
                    }
                }
                await book.changes.wait(since: count, timeout: .seconds(3600))
            }
        }
    }
}

/// The generation that every loop routes by, once the listener is open: a node that cannot take requests must not be
/// waited for.
final class ServedGeneration: Sendable {
    private struct State {
        var generation: Int?
        var isOpen = false
    }

    private let state = Mutex(State())
    /// Raised when there may be something new to announce.
    let changes = Signal()

    /// `nil` until the bus has told all routes and the listener is open.
    var value: Int? { state.withLock { $0.isOpen ? $0.generation : nil } }

    func advance(to generation: Int) {
        state.withLock { $0.generation = max($0.generation ?? generation, generation) }
        changes.raise()
    }

    /// The listener accepts connections.
    func open() {
        state.withLock { $0.isOpen = true }
        changes.raise()
    }
}
