// SPDX-License-Identifier: Apache-2.0
import EventBus
import Testing

struct SignalTests {
    @Test func aRaiseBeforeTheWaitIsNotMissed() async {
        let signal = Signal()
        let count = signal.count
        signal.raise()
        await signal.wait(since: count, timeout: .seconds(3600))
    }

    @Test func aRaiseWakesEveryoneWhoWaits() async {
        let signal = Signal()
        let count = signal.count
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<10 { group.addTask { await signal.wait(since: count, timeout: .seconds(3600)) } }
            signal.raise()
        }
        #expect(signal.count == count + 1)
    }

    @Test func aWaitEndsByItsTimeoutHoweverShort() async {
        let signal = Signal()
        for _ in 0..<1_000 { await signal.wait(since: signal.count, timeout: .zero) }
        #expect(signal.count == 0)
    }

    @Test func aWaitEndsByCancellation() async {
        let signal = Signal()
        let waiting = Task { await signal.wait(since: signal.count, timeout: .seconds(3600)) }
        waiting.cancel()
        await waiting.value
        #expect(signal.count == 0)
    }
}
