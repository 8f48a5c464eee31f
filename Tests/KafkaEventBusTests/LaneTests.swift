// SPDX-License-Identifier: Apache-2.0
import EventBus
import Synchronization
import TestSupport
import Testing

@testable import KafkaEventBus

/// A lane with real messages, its task, and the test in place of the reader's thread.
struct LaneTests {
    private struct Trouble: Error {}

    /// Lets as many records by as it was told to, and knows how many came.
    private final class Turnstile: Sendable {
        private struct State {
            var came: [String] = []
            var left: [String] = []
            var allowed = 0
        }

        private let state = Mutex(State())
        /// Values of the records whose handling has begun, and ended.
        var came: [String] { state.withLock { $0.came } }
        var left: [String] { state.withLock { $0.left } }
        func allow(_ count: Int) { state.withLock { $0.allowed += count } }

        func pass(_ text: String) async throws {
            let number = state.withLock { state in
                state.came.append(text)
                return state.came.count
            }
            try await eventually("record \(number) may pass", within: .seconds(60)) {
                state.withLock { $0.allowed >= number }
            }
            state.withLock { $0.left.append(text) }
        }

        var handler: LaneHandler {
            LaneHandler(
                record: { try await self.pass($0.text) }, caughtUp: { try await self.pass("caught up") })
        }
    }

    private func lane(group: String? = "g", log: LogBook = LogBook(), wakes: Counter = Counter()) -> Lane {
        Lane(group: group, topic: "builds", logger: log.logger) { wakes.add() }
    }

    private func isFinished(_ lane: Lane) async throws {
        try await eventually("the lane's task has ended") { lane.isFinished }
    }

    @Test func itemsAreHandledInTheOrderOfTheirBatches() async throws {
        let count = 1_000
        try await lending(count) { messages in
            let turnstile = Turnstile()
            turnstile.allow(.max)
            let lane = lane()
            lane.start(turnstile.handler)
            var random = SeededGenerator(1)
            var rest = messages[...]
            while !rest.isEmpty {
                let size = Int.random(in: 1...50, using: &random)
                lane.push(LaneBatch(Array(rest.prefix(size)), topic: "builds"))
                rest = rest.dropFirst(size)
                if rest.count < count / 2, rest.count + size >= count / 2 { lane.push(LaneBatch([.caughtUp])) }
                if Bool.random(using: &random) { await Task.yield() }
            }
            try await eventually("all are handled") { lane.waiting.records == 0 }
            let left = turnstile.left
            #expect(left.filter { $0 != "caught up" } == (0..<count).map(String.init))
            #expect(left.filter { $0 == "caught up" }.count == 1 && left.last != "caught up")
            #expect(lane.handled == Int64(count) && lane.waiting.bytes == 0)
            let handled = [lane.takeHandledCount(), lane.takeHandledCount()]
            #expect(handled == [count + 1, 0])
            lane.stop()
            try await isFinished(lane)
        }
    }

    @Test func stoppingGivesBackWhatWaitsAndLetsTheRecordInHandBeFinished() async throws {
        try await lending(400) { messages in
            let turnstile = Turnstile()
            turnstile.allow(7)
            let lane = lane()
            for start in stride(from: 0, to: 300, by: 100) {
                lane.push(LaneBatch(Array(messages[start..<start + 100]), topic: "builds"))
            }
            lane.start(turnstile.handler)
            try await eventually("the eighth is in hand") { turnstile.came.count == 8 }
            lane.stop()
            // Librdkafka may be quick to bring more.
            lane.push(LaneBatch(Array(messages[300...]), topic: "builds"))
            lane.finishTaking()
            #expect(!lane.isFinished)
            turnstile.allow(1_000)
            try await isFinished(lane)
            #expect(turnstile.left == (0..<8).map(String.init))
            #expect(lane.handled == 8 && lane.takeHandledCount() == 8)
        }
    }

    @Test func aLaneThatIsStoppedBeforeItsFirstRecordHandsOutNone() async throws {
        try await lending(10) { messages in
            let turnstile = Turnstile()
            turnstile.allow(10)
            let lane = lane()
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.stop()
            lane.start(turnstile.handler)
            try await isFinished(lane)
            #expect(turnstile.came.isEmpty && lane.handled == -1)
        }
    }

    @Test func aTaskThatWaitsForRecordsEndsWhenTheLaneIsStopped() async throws {
        let (lane, turnstile) = (lane(), Turnstile())
        let working = Task { await lane.work(turnstile.handler) }
        lane.stop()
        await working.value
        #expect(lane.isFinished)
    }

    @Test func aHandlerThatFailsIsCalledAgainBeforeAnyLaterRecord() async throws {
        try await lending(5) { messages in
            let calls = Mutex<[String]>([])
            let lane = lane()
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.start(
                LaneHandler { incoming in
                    let isFirst = calls.withLock { calls in
                        defer { calls.append(incoming.text) }
                        return !calls.contains(incoming.text)
                    }
                    if isFirst, incoming.text == "2" { throw Trouble() }
                })
            try await eventually("all are handled") { lane.handled == 5 }
            #expect(calls.withLock { $0 } == ["0", "1", "2", "2", "3", "4"])
            lane.stop()
            try await isFinished(lane)
        }
    }

    @Test func stoppingCutsABackOffShortAndTriesNothingAgain() async throws {
        try await lending(20) { messages in
            let calls = Counter()
            let log = LogBook()
            let lane = lane(log: log)
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.start(
                LaneHandler { _ in
                    calls.add()
                    throw Trouble()
                })
            // Long enough a back-off for its end to be told from its being cut short.
            let failures = 5
            let backOff = KafkaLimits.handlerBackOffMin * (1 << (failures - 1))
            try await eventually("the last failure") {
                log.all.filter { $0.contains("handling failed") }.count == failures
            }
            let start = ContinuousClock.now
            lane.stop()
            try await isFinished(lane)
            #expect(ContinuousClock.now - start < backOff)
            #expect(calls.value == failures && lane.handled == -1)
        }
    }

    @Test func aHandlerThatDoesNotEndIsCancelled() async throws {
        try await lending(3) { messages in
            let calls = Counter()
            let lane = lane()
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.start(
                LaneHandler { _ in
                    calls.add()
                    try await Task.sleep(for: .seconds(3_600))
                })
            try await eventually("it is called") { calls.value == 1 }
            lane.stop()
            #expect(!lane.isFinished)
            lane.cancelHandler()
            try await isFinished(lane)
            #expect(calls.value == 1 && lane.handled == -1)
        }
    }

    @Test func theThreadIsWokenOnceWhenThereIsRoom() async throws {
        try await lending(10) { messages in
            let (turnstile, wakes) = (Turnstile(), Counter())
            let lane = lane(group: nil, wakes: wakes)
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.wakeWhenDown(to: 4)
            lane.start(turnstile.handler)
            turnstile.allow(5)
            // When the next has begun, all there was to do for the one before is done.
            try await eventually("the sixth is in hand") { turnstile.came.count == 6 }
            #expect(lane.waiting.records == 5 && wakes.value == 0)
            turnstile.allow(1)
            try await eventually("the seventh is in hand") { turnstile.came.count == 7 }
            #expect(lane.waiting.records == 4 && wakes.value == 1)
            turnstile.allow(3)
            try await eventually("the tenth is in hand") { turnstile.came.count == 10 }
            #expect(wakes.value == 1)
            // There is room already.
            lane.wakeWhenDown(to: 4)
            #expect(wakes.value == 2)
            turnstile.allow(1)
            try await eventually("all are handled") { lane.waiting.records == 0 }
            lane.stop()
            try await isFinished(lane)
        }
    }

    @Test func aGroupsThreadIsWokenWhenThereIsNothingLeftToDo() async throws {
        try await lending(3) { messages in
            let (turnstile, wakes) = (Turnstile(), Counter())
            let lane = lane(wakes: wakes)
            lane.push(LaneBatch(messages, topic: "builds"))
            lane.start(turnstile.handler)
            turnstile.allow(2)
            try await eventually("the third is in hand") { turnstile.came.count == 3 }
            #expect(wakes.value == 0)
            turnstile.allow(1)
            try await eventually("the thread is woken") { wakes.value == 1 }
            lane.stop()
            try await isFinished(lane)
        }
    }

    /// A reader whose client has to go keeps its lane, and a new client goes on filling it.
    @Test func aDetachedLaneOutlivesItsClient() async throws {
        let (turnstile, lane) = (Turnstile(), lane(group: nil))
        try await lending(300) { messages in
            for start in stride(from: 0, to: 300, by: 100) {
                lane.push(LaneBatch(Array(messages[start..<start + 100]), topic: "builds"))
            }
            lane.start(turnstile.handler)
            turnstile.allow(7)
            try await eventually("the eighth is in hand") { turnstile.came.count == 8 }
            lane.detach()
        }
        // The client and its brokers are gone.
        #expect(lane.waiting.records == 293)
        lane.push(LaneBatch([.caughtUp]))
        turnstile.allow(.max - 7)
        try await eventually("all are handled") { lane.waiting.records == 0 }
        #expect(turnstile.left == (0..<300).map(String.init) + ["caught up"])
        lane.stop()
        try await isFinished(lane)
    }

    /// The lane is emptied for a new client while its task takes from it.
    @Test(arguments: UInt64(0)..<4)
    func detachingUnderATaskThatTakesLosesAndRepeatsNothing(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed)
        let count = 1_000
        let turnAt = Int.random(in: 0..<count, using: &random)
        let turnstile = Turnstile()
        turnstile.allow(.max)
        let lane = lane(group: nil)
        try await lending(count) { messages in
            lane.start(turnstile.handler)
            for start in stride(from: 0, to: count, by: 50) {
                lane.push(LaneBatch(Array(messages[start..<start + 50]), topic: "builds"))
                if start / 50 == turnAt / 50 { lane.detach() }
            }
            lane.detach()
        }
        try await eventually("all are handled") { lane.waiting.records == 0 }
        #expect(turnstile.left == (0..<count).map(String.init))
        lane.stop()
        try await isFinished(lane)
    }
}
