// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import ServiceLifecycle

/// Keeps the route book at what the bus says. While the bus is away the book stays as it is.
struct RouteFollower: Service {
    let bus: any EventBus
    /// Makes the bus usable; tried until it works, so that an ingress starts without the bus.
    let prepare: @Sendable () async throws -> Void
    let book: RouteBook
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = IngressIntervals.busBackOffMin
            while !Task.isCancelled {
                do {
                    try await prepare()
                    backOff = IngressIntervals.busBackOffMin
                    book.beginReload()
                    try await bus.follow(.routesDesired, partitionKey: nil) { handle($0) }
                } catch is CancellationError {
                    return
                } catch {
                    book.noteBusAway()
                    logger.warning("the bus is away, serving the last known routes", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, IngressIntervals.busBackOffMax)
            }
        }
    }

    /// A record that cannot be followed leaves its route as it was and holds up no other.
    func handle(_ event: FollowEvent) {
        switch event {
        case .caughtUp:
            let before = book.table.count
            book.endReload()
            let table = book.table
            logger.info(
                "routes read",
                metadata: [
                    "routes": "\(table.count)", "routes_before": "\(before)", "generation": "\(table.generation)",
                ])
        case .record(let record):
            guard record.value != nil else { return book.remove(record.key) }
            do {
                try book.apply(Event<RouteDesired>(record).data)
            } catch {
                logger.error("route refused", metadata: ["route": "\(record.key)", "cause": "\(error)"])
            }
        }
    }
}
