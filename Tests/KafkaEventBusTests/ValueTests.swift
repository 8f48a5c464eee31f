// SPDX-License-Identifier: Apache-2.0
import EventBus
import Testing

@testable import KafkaEventBus

/// The decisions that need no broker.
struct ValueTests {
    /// A partition, its broker and its handler, in random turns. The broker sends again what was thrown away by a
    /// pause, and sometimes more.
    @Test(arguments: UInt64(0)..<50)
    func aPartitionHandsOverEverythingOnceAndInOrderWithinItsBounds(_ seed: UInt64) {
        var random = SeededGenerator(seed)
        let recordsMax = 20
        var flow = PartitionFlow()
        var fetched: Int64 = 0
        var waiting: [Int64] = []
        var handled: [Int64] = []
        var committed: Int64 = 0
        let end: Int64 = 500
        var turns = 0
        while handled.count < Int(end) {
            turns += 1
            #expect(turns < 100_000)
            if turns >= 100_000 { return }
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where !flow.isPaused:
                if Int.random(in: 0..<10, using: &random) == 0 { fetched = max(0, fetched - 5) }
                for _ in 0..<Int.random(in: 1...8, using: &random) where fetched < end {
                    if flow.admits(fetched) { waiting.append(fetched) }
                    fetched += 1
                }
            case 1, 2:
                if !waiting.isEmpty { handled.append(waiting.removeFirst()) }
            default:
                if let offset = flow.offsetToReport(handled: handled.last.map { $0 + 1 } ?? -1) {
                    #expect(offset > committed && offset == Int64(handled.count))
                    committed = offset
                }
            }
            switch flow.step(waiting: waiting.count, bytes: 0, recordsMax: recordsMax, bytesMax: 1) {
            case .resume(let offset):
                #expect(offset == Int64(handled.count + waiting.count))
                fetched = offset
            case .pause, nil: break
            }
            #expect(waiting.count < recordsMax + 8)
        }
        #expect(handled == Array(0..<end))
    }

    /// A follower's partitions in random turns. They share one lane, so that each is paused for what others have filled
    /// it with, and some before their first record.
    @Test(arguments: UInt64(0)..<50)
    func partitionsThatShareALaneAreAllReadToTheirEnds(_ seed: UInt64) {
        struct Partition {
            let start: Int64
            let end: Int64
            /// Where the broker reads next: as after `start` was looked up.
            var fetched: Int64
            var flow: PartitionFlow
            var admitted: Int64
        }
        var random = SeededGenerator(seed)
        let (recordsMax, beginning) = (20, Int64(-2))
        var partitions = (0..<4).map { number in
            // From the beginning of a log whose oldest records are gone, or from an offset that is known.
            let (oldest, start) = (Int64(number * 3), number % 2 == 0 ? beginning : Int64(number * 5))
            let first = max(oldest, start)
            return Partition(
                start: start, end: first + Int64(50 * (number + 1)), fetched: first, flow: flow(from: start),
                admitted: first)
        }
        let firsts = partitions.map(\.admitted)
        var lane: [(partition: Int, offset: Int64)] = []
        var handled: [[Int64]] = partitions.map { _ in [] }
        var pausedBeforeTheirFirst = 0
        let count = zip(firsts, partitions).reduce(0) { $0 + Int($1.1.end - $1.0) }
        var handledCount = 0
        for _ in 0..<100_000 where handledCount < count {
            let number = Int.random(in: 0..<partitions.count, using: &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                if !lane.isEmpty {
                    let item = lane.removeFirst()
                    handled[item.partition].append(item.offset)
                    handledCount += 1
                }
            } else if !partitions[number].flow.isPaused {
                // The later ones have their first records late, when the lane has been full before.
                let isSilent = handled[0].count < number * 15
                for _ in 0..<Int.random(in: 1...8, using: &random)
                where !isSilent && partitions[number].fetched < partitions[number].end {
                    let offset = partitions[number].fetched
                    partitions[number].fetched += 1
                    guard partitions[number].flow.admits(offset) else { continue }
                    #expect(offset == partitions[number].admitted)
                    partitions[number].admitted = offset + 1
                    lane.append((number, offset))
                }
            }
            for number in partitions.indices {
                let first = firsts[number]
                let isFresh = partitions[number].admitted == first
                let step = partitions[number].flow.step(
                    waiting: lane.count, bytes: 0, recordsMax: recordsMax, bytesMax: 1)
                switch step {
                case .pause where isFresh: pausedBeforeTheirFirst += 1
                case .resume(let place):
                    #expect(place == (isFresh ? partitions[number].start : partitions[number].admitted))
                    partitions[number].fetched = place == beginning ? first : place
                case .pause, nil: break
                }
            }
        }
        #expect(handled == zip(firsts, partitions).map { Array($0..<$1.end) })
        #expect(pausedBeforeTheirFirst > 0)
    }

    /// A flow as a reader outside of groups makes it: with an offset, or librdkafka's negative name for a place.
    private func flow(from start: Int64) -> PartitionFlow { PartitionFlow(start: start) }

    @Test func aPartitionThatIsPausedBeforeItsFirstRecordGoesOnWhereItBegan() {
        let starts: [Int64] = [-2, -1, 0, 7]
        let steps = starts.map { start in
            var flow = flow(from: start)
            return [(10, 0), (6, 0), (5, 0), (0, 0)].map { waiting, bytes in
                flow.step(waiting: waiting, bytes: bytes, recordsMax: 10, bytesMax: 100)
            }
        }
        let expected: [[PartitionFlow.Step?]] = starts.map { [.pause, nil, .resume($0), nil] }
        #expect(steps == expected)
    }

    @Test func bytesPauseAPartitionAsRecordsDo() {
        var flow = PartitionFlow()
        _ = flow.admits(7)
        let steps = [(1, 99), (1, 100), (1, 51), (0, 0)].map { waiting, bytes in
            flow.step(waiting: waiting, bytes: bytes, recordsMax: 10, bytesMax: 100)
        }
        #expect(steps == [nil, .pause, nil, .resume(8)])
    }

    @Test func whatWasHandledBeforeARebalanceIsReportedAndNotHandedOut() {
        var flow = PartitionFlow(floor: 5)
        let first = flow.offsetToReport(handled: -1)
        let admitted = (Int64(3)...6).map { flow.admits($0) }
        let second = flow.offsetToReport(handled: -1)
        let third = flow.offsetToReport(handled: -1)
        let last = flow.offsetToReport(handled: 6)
        #expect(admitted == [false, false, true, true])
        #expect([first, second, third, last] == [nil, 5, nil, 6])
    }

    @Test func aFollowerHasCaughtUpOnceAtTheEndOfTheLastPartition() {
        var catchUp = CatchUp(partitions: [0, 1, 2])
        let ends = [Int32(0), 2, 0, 1, 1, 2].map { catchUp.reachedEnd(of: $0) }
        #expect(ends == [false, false, false, true, false, false])
    }

    @Test func fetchingIsPacedOnlyAgainstBrokersThatDoNotWait() {
        var pacing = FetchPacing()
        let pauses = (0..<6).map { _ in pacing.pause(afterAnswer: 100, in: .microseconds(50)) }
        #expect(pauses.first == KafkaLimits.fetchPauseMin && pauses.last == KafkaLimits.fetchPauseMax)
        #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 })
        let withARecord = pacing.pause(afterAnswer: 180, in: .microseconds(50))
        let afterAWait = pacing.pause(afterAnswer: 100, in: KafkaLimits.fetchWait)
        let withMany = pacing.pause(afterAnswer: 1 << 20, in: .microseconds(50))
        #expect([withARecord, afterAWait, withMany] == [KafkaLimits.fetchPauseMin, .zero, .zero])
    }

    /// Calls begin, hand over, are closed and reported on in random turns; each ends once, when all is known of it.
    @Test(arguments: UInt64(0)..<20)
    func everyCallEndsOnceWhenItsLastRecordIsReported(_ seed: UInt64) {
        var random = SeededGenerator(seed)
        var ledger = DeliveryLedger<Int>()
        struct Model {
            var call: Int
            var undelivered = 0
            var isClosed = false
            var failed = false
        }
        var open: [Int: Model] = [:]
        var ended: [Int: Bool] = [:]
        var next = 0
        func settle(_ slot: Int, _ result: (call: Int, failure: BusError?)?) {
            guard let model = open[slot] else { return }
            let isOver = model.isClosed && model.undelivered == 0
            #expect((result != nil) == isOver)
            guard let result else { return }
            #expect(result.call == model.call && (result.failure != nil) == model.failed)
            #expect(ended.updateValue(model.failed, forKey: model.call) == nil)
            open[slot] = nil
        }
        for _ in 0..<2_000 {
            let slot = open.keys.sorted().randomElement(using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                let slot = ledger.open(next)
                #expect(open[slot] == nil)
                open[slot] = Model(call: next)
                next += 1
            case 1, 2:
                guard let slot, open[slot]?.isClosed == false else { continue }
                ledger.handedOver(slot)
                open[slot]?.undelivered += 1
            case 3:
                guard let slot, open[slot]?.isClosed == false else { continue }
                let failure = Bool.random(using: &random) ? nil : BusError("refused")
                open[slot]?.isClosed = true
                if failure != nil { open[slot]?.failed = true }
                settle(slot, ledger.close(slot, failure: failure))
            default:
                guard let slot, let model = open[slot], model.undelivered > 0 else { continue }
                let failure = Int.random(in: 0..<10, using: &random) == 0 ? BusError("lost") : nil
                open[slot]?.undelivered -= 1
                if failure != nil { open[slot]?.failed = true }
                settle(slot, ledger.reported(slot, failure: failure))
            }
            #expect(ledger.undelivered == open.values.reduce(0) { $0 + $1.undelivered })
            #expect(Set(ledger.calls) == Set(open.values.map(\.call)))
        }
        let ofNobody = ledger.reported(99_999, failure: nil)
        #expect(ofNobody == nil)
        #expect(ended.count + open.count == next && ended.count > 50)
    }
}
