// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Ingress

@Suite(.timeLimit(.minutes(1)))
struct RouteFollowingTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Runs follower, distributor and announcer on two loops beside `body`.
    private func following(
        _ bus: FakeBus, book: RouteBook = RouteBook(), prepare: @escaping @Sendable () async throws -> Void = {},
        _ body: (RouteBook) async throws -> Void
    ) async throws {
        let served = ServedGeneration()
        served.open()
        let loops = try await IngressLoops.start(
            count: 2, configuration: ProxyConfiguration(), news: Signal(), onDrained: { served.changes.raise() })
        let services: [any Service] = [
            RouteAnnouncer(
                node: IngressNodeID("ing_1"), bus: bus, served: served, draining: { try await loops.draining() },
                logger: logger),
            RouteDistributor(book: book, loops: loops, served: served, onLoaded: {}, logger: logger),
            RouteFollower(bus: bus, prepare: prepare, book: book, logger: logger),
        ]
        let running = services.map { service in Task { try await service.run() } }
        let result: Result<Void, any Error>
        do { result = .success(try await body(book)) } catch { result = .failure(error) }
        for task in running { task.cancel() }
        for task in running { _ = try? await task.value }
        try await loops.stop()
        try result.get()
    }

    @Test func nothingIsServedBeforeTheListenerIsOpen() {
        let served = ServedGeneration()
        served.advance(to: 4)
        #expect(served.value == nil)
        let raised = served.changes.count
        served.open()
        #expect(served.value == 4)
        #expect(served.changes.count > raised)
    }

    @Test func aGenerationIsAcknowledgedOnceAllLoopsRouteByIt() async throws {
        let bus = FakeBus()
        try await following(bus) { book in
            try bus.tell(route("a", 4, ports: [1]))
            bus.tell(.caughtUp)
            let first = try await bus.firstPublished(\.first)
            #expect(first.node == IngressNodeID("ing_1"))
            #expect(first.generation == 4)
            #expect(first.draining.isEmpty)
            try bus.tell(route("a", 5, ports: [2]))
            _ = try await bus.firstPublished { $0.first { $0.generation == 5 } }
            #expect(book.table.route(for: "a")?.desired.generation == 5)
            bus.tell(.record(.tombstone(RouteDesired.self, key: "a", source: "/slipway/controller")))
            try bus.tell(route("b", 6, ports: []))
            let last = try await bus.firstPublished { $0.first { $0.generation == 6 } }
            #expect(last.generation == 6)
            #expect(book.table.route(for: "a") == nil)
        }
    }

    @Test func anAcknowledgementThatFailsIsMadeAgainWithWhatIsThenTrue() async throws {
        let bus = FakeBus()
        bus.isAway = true
        try await following(bus) { book in
            bus.tell(.caughtUp)
            try bus.tell(route("a", 7, ports: [1]))
            while book.table.generation != 7 {
                let count = book.changes.count
                if book.table.generation != 7 { await book.changes.wait(since: count, timeout: .seconds(60)) }
            }
            bus.isAway = false
            let first = try await bus.firstPublished(\.first)
            #expect(first.generation == 7)
        }
    }

    @Test func aRecordThatCannotBeReadHoldsUpNoOther() async throws {
        let bus = FakeBus()
        try await following(bus) { book in
            bus.tell(.record(Record(topic: "routes.desired", key: "x", headers: [:], value: Data("{".utf8))))
            try bus.tell(route("UPPER", 1, ports: [1]))
            try bus.tell(route("a", 2, ports: [1]))
            bus.tell(.caughtUp)
            let first = try await bus.firstPublished(\.first)
            #expect(first.generation == 2)
            #expect(book.table.count == 1)
        }
    }

    @Test func withoutTheBusASnapshotIsServedAtOnceAndNotAcknowledged() async throws {
        let bus = FakeBus()
        let book = RouteBook()
        book.load(RouteSnapshot(generation: 3, routes: [route("a", 3, ports: [1])]))
        try await following(bus, book: book, prepare: { throw BusError("away") }) { book in
            // The limit is not what ends the wait: the test would take a minute.
            await book.waitUntilServable(limit: .seconds(60))
            #expect(book.table.route(for: "a") != nil)
            #expect(!book.hasCaughtUp)
            #expect(bus.published.isEmpty)
        }
    }

    @Test func announcementsAreMadeOnChangeAndAsASignOfLifeAndNeverGoBack() {
        var announcement = Announcement()
        let start = ContinuousClock.now
        let instance = InstanceID("ins_1")
        #expect(announcement.isDue(generation: 1, draining: [:], at: start))
        announcement.published(generation: 5, draining: [:], at: start)
        #expect(!announcement.isDue(generation: 5, draining: [:], at: start))
        #expect(announcement.isDue(generation: 6, draining: [:], at: start))
        #expect(announcement.isDue(generation: 5, draining: [instance: 1], at: start))
        #expect(announcement.isDue(generation: 5, draining: [:], at: start + RoutesObserved.heartbeatInterval))
        #expect(announcement.announceable(4) == 5)
        #expect(!announcement.isDue(generation: 4, draining: [:], at: start))
    }
}
