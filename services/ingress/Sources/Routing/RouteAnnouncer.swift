// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import ServiceLifecycle

/// Publishes what this node serves and what still drains. Whatever came about while a publication was on its way goes
/// with the next; one that fails is made anew from what is then true.
struct RouteAnnouncer: Service {
    static let source = "/slipway/ingress"

    let node: IngressNodeID
    let bus: any EventBus
    let served: ServedGeneration
    let draining: @Sendable () async throws -> [InstanceID: Int]
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var announcement = Announcement()
            var backOff = IngressIntervals.busBackOffMin
            while !Task.isCancelled {
                let count = served.changes.count
                do {
                    try await announce(&announcement)
                    backOff = IngressIntervals.busBackOffMin
                } catch {
                    if Task.isCancelled { return }
                    logger.warning("routes served are not announced, trying again", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, IngressIntervals.busBackOffMax)
                    continue
                }
                let rest = served.value == nil ? .seconds(3600) : announcement.untilHeartbeat(at: .now)
                await served.changes.wait(since: count, timeout: max(rest, .zero))
            }
        }
        await sayFarewell()
    }

    private func announce(_ announcement: inout Announcement) async throws {
        // Counted after every loop took the generation: what drains by it is then known to all.
        guard let served = served.value else { return }
        let draining = try await self.draining()
        let now = ContinuousClock.now
        guard announcement.isDue(generation: served, draining: draining, at: now) else { return }
        let generation = announcement.announceable(served)
        let observed = RoutesObserved(node: node, generation: generation, draining: draining, heartbeatAt: .now())
        try await bus.publish([Event(source: Self.source, data: observed).record()])
        announcement.published(generation: generation, draining: draining, at: now)
    }

    /// A node that has stopped is not waited for.
    private func sayFarewell() async {
        guard served.value != nil else { return }
        let tombstone = Record.tombstone(RoutesObserved.self, key: node.rawValue, source: Self.source)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await bus.publish([tombstone]) }
            group.addTask { try? await Task.sleep(for: IngressIntervals.farewellMax) }
            _ = await group.next()
            group.cancelAll()
        }
    }
}
