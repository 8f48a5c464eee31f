// SPDX-License-Identifier: Apache-2.0
import EventBus
import TestSupport
import Testing

@testable import Events

/// What a bus says and does that cannot be reached, or is not as it is configured.
@Suite(.timeLimit(.minutes(3)))
struct BusTroubleTests {
    @Test(arguments: BusKind.available)
    func problemIsNilWhileTheBusAnswers(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            try await eventually("no problem") { await test.bus.problem() == nil }
        }
    }

    /// One port refuses connections, the other takes them and never says a word.
    @Test(arguments: BusKind.available, [DeadPort.Manner.refuses, .keepsSilent])
    func aBusThatCannotBeReachedIsAProblemWithoutSecrets(_ kind: BusKind, _ manner: DeadPort.Manner) async throws {
        let port = try DeadPort(manner)
        try await BusClient.unreachable(kind, port, topics: [.builds]).running { bus in
            let start = ContinuousClock.now
            let problem = await bus.problem()
            // A second is promised; the rest is for a machine that runs the whole suite at once.
            #expect(ContinuousClock.now - start < .seconds(4))
            let text = try #require(problem)
            #expect(!text.isEmpty && !text.contains(BusClient.sentinelPassword))
        }
    }

    @Test(arguments: BusKind.available)
    func preparingABusThatCannotBeReachedNamesTheCauseAndNoSecret(_ kind: BusKind) async throws {
        let port = try DeadPort()
        try await BusClient.unreachable(kind, port, topics: [.builds]).running { bus in
            let preparing = Task { try await bus.prepare() }
            let giveUp = Task {
                try await Task.sleep(for: membershipMax)
                preparing.cancel()
            }
            let result = await preparing.result
            giveUp.cancel()
            let error = #expect(throws: BusError.self) { try result.get() }
            let text = try #require(error?.message)
            #expect(text.contains("127.0.0.1") && !text.contains(BusClient.sentinelPassword), "\(text)")
        }
    }

    @Test(arguments: BusKind.available)
    func aPublishThatCannotBeDeliveredEndsWithAnErrorWhenCancelled(_ kind: BusKind) async throws {
        let port = try DeadPort()
        try await BusClient.unreachable(kind, port, topics: [.builds]).running { bus in
            let publishing = Task { try await bus.publish([Record(.builds, "k", "v")]) }
            publishing.cancel()
            let result = await publishing.result
            #expect(throws: (any Error).self) { try result.get() }
        }
    }

    @Test(arguments: BusKind.available)
    func aBusThatCannotBeReachedStillRefusesAtOnce(_ kind: BusKind) async throws {
        let port = try DeadPort()
        try await BusClient.unreachable(kind, port, topics: [.builds]).running { bus in
            await #expect(throws: BusError.self) { try await bus.publish([Record(.builds, "k", nil)]) }
        }
    }

    @Test(arguments: BusKind.available)
    func aTopicWithFewerPartitionsThanConfiguredIsNamedAndKeepsTheProcessUnready(_ kind: BusKind) async throws {
        try await TestBus.with(kind, [.builds]) { test in
            let wider = Topic.event("builds", partitions: Topic.builds.partitions + 3)
            try await test.maker.client([wider], cloudspace: "").running { bus in
                let error = await #expect(throws: BusError.self) { try await bus.prepare() }
                let text = try #require(error?.message)
                for name in ["builds", "4", "7"] { #expect(text.contains(name), "\(text)") }
                try await eventually("readiness tells", within: membershipMax) {
                    await bus.problem()?.contains("builds") == true
                }
            }
        }
    }
}
