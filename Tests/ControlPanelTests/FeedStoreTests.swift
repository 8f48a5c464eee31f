// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import ControlPanel

@Suite struct FeedStoreTests {
    struct Undone: Error {}

    /// Many handlers at once, some of which are rolled back after they took their number.
    private func writeAtOnce(_ world: FeedWorld, writers: Int, each: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    for number in 0..<each {
                        do {
                            try await world.fixture.apply { transaction in
                                _ = try await FeedStore.append(world.event("\(writer)/\(number)"), in: transaction)
                                // Between number and commit there is time for another handler to overtake.
                                try await transaction.query("SELECT pg_sleep(0.001)")
                                if number.isMultiple(of: 5) { throw Undone() }
                            }
                        } catch is Undone {}
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func aReaderMissesNothingWhileHandlersCommitAtOnce() async throws {
        try await FeedWorld.with { world in
            let (writers, each) = (6, 25)
            let expected = writers * (each - each / 5)
            async let writing: Void = writeAtOnce(world, writers: writers, each: each)
            var seen: [Int] = []
            var position = 0
            let end = ContinuousClock.now + .seconds(60)
            while seen.count < expected {
                try #require(ContinuousClock.now < end, "only \(seen.count) of \(expected) events were seen")
                let page = try await world.feed.page(of: world.organisation, after: position, limit: 7)
                seen += page.entries.map(\.sequence)
                position = page.next
                // A number that became visible before a lower one would leave a gap here for ever.
                try #require(seen == (0..<seen.count).map { $0 + 1 })
            }
            try await writing
            #expect(position == expected)
            let after = try await world.feed.page(of: world.organisation, after: position, limit: 7)
            #expect(after.entries.isEmpty && after.isLast)
        }
    }

    @Test func pagesAreBoundedByNumberAndBytes() async throws {
        try await FeedWorld.with { world in
            try await world.append("a", "b", "c")
            let first = try await world.feed.page(of: world.organisation, after: 0, limit: 2)
            #expect(first.entries.map(\.sequence) == [1, 2])
            #expect(first.next == 2 && !first.isLast)
            let rest = try await world.feed.page(of: world.organisation, after: first.next, limit: 2)
            #expect(rest.entries.map(\.sequence) == [3] && rest.isLast)
            try await world.append(String(repeating: "x", count: PanelLimits.feedPageBytesMax), "small")
            let large = try await world.feed.page(of: world.organisation, after: 3, limit: 100)
            #expect(large.entries.map(\.sequence) == [4])
            #expect(large.next == 4 && !large.isLast)
        }
    }

    @Test func aFilteredReaderMovesOnOverWhatItDidNotAskFor() async throws {
        try await FeedWorld.with { world in
            try await world.append("a", "b")
            let page = try await world.feed.page(
                of: world.organisation, after: 0, types: [DeploymentFailed.type], limit: 10)
            #expect(page.entries.isEmpty)
            #expect(page.next == 2)
        }
    }

    @Test func whatIsTooMuchIsPurgedFromTheOldEnd() async throws {
        try await FeedWorld.with { world in
            try await world.append("a", "b", "c", "d", "e")
            try await world.feed.purge(now: .now(), perOrganisationMax: 2, batch: 1)
            let bounds = try await world.feed.bounds(of: world.organisation)
            #expect(bounds == .init(oldest: 4, newest: 5))
        }
    }

    @Test func whatIsTooOldIsPurgedAndNumbersGoOn() async throws {
        try await FeedWorld.with { world in
            try await world.append("a", "b")
            try await world.feed.purge(now: .now().advanced(by: PanelLimits.feedKept - .seconds(60)))
            #expect(try await world.feed.bounds(of: world.organisation) == .init(oldest: 1, newest: 2))
            try await world.feed.purge(now: .now().advanced(by: PanelLimits.feedKept + .seconds(60)))
            #expect(try await world.feed.bounds(of: world.organisation) == .init(oldest: 3, newest: 2))
            try await world.append("c")
            let page = try await world.feed.page(of: world.organisation, after: 2, limit: 10)
            #expect(page.entries.map(\.sequence) == [3])
        }
    }

    @Test func eventsOfARemovedEnvironmentStillFindTheirOrganisation() async throws {
        try await FeedWorld.with { world in
            try await world.fixture.panel.apps.deleteEnvironment(world.environment)
            try await world.append("after its end")
            #expect(try await world.feed.bounds(of: world.organisation).newest == 1)
        }
    }

    @Test func buildsOfARemovedEnvironmentStillFindTheirOrganisation() async throws {
        try await FeedWorld.with { world in
            let deployment = DeploymentID("dpl_1")
            try await world.addDeployment(deployment)
            try await world.fixture.panel.apps.deleteEnvironment(world.environment)
            let failed = BuildFailed(
                build: BuildID("bld_1"), identity: "i", deployment: deployment, reason: "The build was cancelled.")
            func owner() async throws -> OrganisationID? {
                try await world.fixture.pool.withTransaction {
                    try await FeedStore.append(Event(source: "/slipway/builder", data: failed), in: $0)
                }
            }
            #expect(try await owner() == world.organisation)
            // It is kept as long as its environment, and no longer.
            let later = Timestamp.now().advanced(by: PanelLimits.removedEnvironmentsKept + .seconds(60))
            try await world.feed.purge(now: later)
            #expect(try await owner() == nil)
        }
    }

    @Test func eventsOfWhatIsNotKnownAreNobodys() async throws {
        try await FeedWorld.with { world in
            try await world.fixture.apply { transaction in
                let usage = UsageRecorded(
                    organisation: "nobody", app: "a", environment: EnvironmentID("env_none"), from: .now(), to: .now(),
                    instanceSeconds: 1, memoryMebibyteSeconds: 1)
                let owner = try await FeedStore.append(Event(source: "/t", data: usage), in: transaction)
                #expect(owner == nil)
            }
            #expect(try await world.fixture.pool.query("SELECT 1 AS one FROM feed").isEmpty)
        }
    }
}

@Suite struct FeedPositionTests {
    private let bounds = FeedStore.Bounds(oldest: 10, newest: 20)

    @Test(arguments: [
        (FeedPosition.oldest, 9), (.latest, 20), (.after(9), 9), (.after(15), 15), (.after(20), 20),
    ])
    func aPositionWithinWhatIsKeptIsTaken(position: FeedPosition, start: Int) throws {
        #expect(try position.resolve(in: bounds) == start)
    }

    @Test func aPositionThatIsGoneNamesTheOldest() {
        let problem = #expect(throws: Problem.self) { try FeedPosition.after(8).resolve(in: bounds) }
        #expect(problem?.status == .gone)
        #expect(problem?.detail.contains("10") == true)
    }

    @Test func aPositionInTheFutureIsNotWaitedFor() {
        let problem = #expect(throws: Problem.self) { try FeedPosition.after(21).resolve(in: bounds) }
        #expect(problem?.status == .unprocessableContent)
    }

    @Test func anEmptyFeedBeginsAtItsBeginning() throws {
        #expect(try FeedPosition.after(0).resolve(in: .empty) == 0)
        #expect(try FeedPosition.oldest.resolve(in: .empty) == 0)
    }

    @Test(arguments: ["-1", "x", "", "1.5", "99999999999999999999"])
    func whatIsNoPositionIsRefused(text: String) {
        let position = FeedPosition(text)
        #expect(position == nil)
    }
}

@Suite struct SlotsByKeyTests {
    @Test func eachKeyHasItsOwnPlacesAndTheyComeBack() {
        let slots = SlotsByKey(1)
        var held = [slots.take("a"), slots.take("b")]
        #expect(held.allSatisfy { $0 != nil })
        #expect(slots.take("a") == nil)
        held.removeAll()
        #expect(slots.take("a") != nil)
    }
}

@Suite struct FeedWakeUpsTests {
    @Test func whatIsNotedIsTakenOnceAndTheNumberIsBounded() {
        let wakeUps = FeedWakeUps()
        wakeUps.note(EventID("evt_1"), of: OrganisationID("org_1"))
        #expect(wakeUps.take("evt_1") == OrganisationID("org_1"))
        #expect(wakeUps.take("evt_1") == nil)
        for number in 0...PanelLimits.feedWakeUpsMax {
            wakeUps.note(EventID("evt_\(number)"), of: OrganisationID("org_1"))
        }
        #expect(wakeUps.take("evt_0") == nil)
        #expect(wakeUps.take("evt_\(PanelLimits.feedWakeUpsMax)") != nil)
    }
}
