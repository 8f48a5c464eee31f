// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import ControlPanel

@Suite struct HandoffTests {
    @Test func elementsArriveInOrderAndTheEndAfterThem() async throws {
        let handoff = Handoff<Int>()
        let received = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for number in 0..<100 { #expect(await handoff.send(number)) }
                handoff.finish()
            }
            var received: [Int] = []
            while let number = try await handoff.next() { received.append(number) }
            return received
        }
        #expect(received == Array(0..<100))
    }

    @Test func anErrorOfTheSenderReachesTheReceiver() async {
        struct Broken: Error {}
        let handoff = Handoff<Int>()
        handoff.finish(throwing: Broken())
        await #expect(throws: Broken.self) { try await handoff.next() }
        #expect(await handoff.send(1) == false)
    }

    @Test func aSenderWhoseReceiverIsGoneGoesOn() async {
        let handoff = Handoff<Int>()
        async let isTaken = handoff.send(1)
        handoff.finish(throwing: CancellationError())
        #expect(await isTaken == false)
    }

    @Test func aCancelledReceiverReturns() async {
        let handoff = Handoff<Int>()
        let task = Task { try await handoff.next() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

@Suite struct SlotTests {
    @Test func placesAreBoundedAndComeBack() {
        let slots = Slots(2)
        var held = [slots.take(), slots.take()]
        #expect(held.allSatisfy { $0 != nil })
        #expect(slots.take() == nil)
        held.removeLast()
        #expect(slots.take() != nil)
        withExtendedLifetime(held) {}
    }
}

@Suite struct StreamNotifierTests {
    @Test func watchersAreWokenAndForgotten() {
        let notifier = StreamNotifier()
        let environment = EnvironmentID("env_1")
        let signal = notifier.watch(environment)
        #expect(notifier.watch(environment) === signal)
        let before = signal.count
        notifier.raise("env_1")
        notifier.raise("env_2")
        #expect(signal.count == before + 1)
        notifier.unwatch(environment)
        #expect(notifier.watched == 1)
        notifier.unwatch(environment)
        #expect(notifier.watched == 0)
    }
}

@Suite struct DeadlineTests {
    struct Late: Error {}

    @Test func whatIsInTimeIsGivenAndWhatIsNotIsCancelled() async throws {
        #expect(try await withDeadline(.seconds(60), orThrow: Late()) { 7 } == 7)
        await #expect(throws: Late.self) {
            try await withDeadline(.milliseconds(1), orThrow: Late()) { try await Task.sleep(for: .seconds(600)) }
        }
    }
}
