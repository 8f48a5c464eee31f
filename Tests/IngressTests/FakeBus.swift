// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Synchronization
import TestSupport

/// A bus in memory: what is told to a follower is up to the test; what is published is kept.
final class FakeBus: QuietBus {
    private struct State {
        var published: [Record] = []
        var isAway = false
    }

    private let state = Mutex(State())
    private let (events, feed) = AsyncStream.makeStream(of: FollowEvent.self, bufferingPolicy: .bufferingOldest(1_000))
    let changes = Signal()

    var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }

    var published: [Record] { state.withLock { $0.published } }

    func tell(_ event: FollowEvent) { feed.yield(event) }

    func tell(_ desired: RouteDesired) throws {
        tell(.record(try Event(source: "/slipway/controller", data: desired).record()))
    }

    func publish(_ records: [Record]) async throws {
        try state.withLock { state in
            if state.isAway { throw BusError("away") }
            state.published += records
        }
        changes.raise()
    }

    func follow(
        _ topic: Topic, partitionKey: String?, handler: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws {
        for await event in events { try await handler(event) }
    }

    func problem() async -> String? { isAway ? "away" : nil }

    /// Waits for what `find` finds among the published.
    func firstPublished<Found>(_ find: ([RoutesObserved]) -> Found?) async throws -> Found {
        while true {
            let count = changes.count
            let observed = try published.filter { $0.value != nil }.map { try Event<RoutesObserved>($0).data }
            if let found = find(observed) { return found }
            await changes.wait(since: count, timeout: .seconds(60))
        }
    }
}
