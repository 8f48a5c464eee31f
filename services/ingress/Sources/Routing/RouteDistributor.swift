// SPDX-License-Identifier: Apache-2.0
import Logging
import Messaging
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

/// The generation that every loop routes by.
final class ServedGeneration: Sendable {
    private let state = Mutex<Int?>(nil)
    /// Raised when there may be something new to announce.
    let changes = Signal()

    /// `nil` until the bus has told all routes.
    var value: Int? { state.withLock { $0 } }

    func advance(to generation: Int) {
        state.withLock { $0 = max($0 ?? generation, generation) }
        changes.raise()
    }
}
