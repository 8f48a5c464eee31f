// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import RunnerAgent

/// An engine with one container, moved by the planner's actions and by chance.
private struct Simulation {
    var generator: Seeded
    var container: ContainerView?
    var history = InstanceHistory()
    var now = Sample.start
    var creations = 0
    var launches = 0

    struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            // SplitMix64, https://prng.di.unimi.it/splitmix64.c
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    init(seed: UInt64) { generator = Seeded(state: seed) }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    mutating func apply(_ action: Action) {
        switch action {
        case .publish(let phase): history.published = phase
        case .create:
            if chance(20) { return history.actionFailed(now: now) }
            creations += 1
            container = Sample.container(.created, startedAt: nil)
        case .start(_, let isRestart):
            if chance(20) { return history.actionFailed(now: now) }
            launches += 1
            history.note.isLaunched = true
            history.started(restarted: isRestart)
            container = Sample.container(.running, startedAt: now)
        case .probe(_, _, let run):
            if chance(50) {
                history.becameReady(run: run)
            } else {
                history.probeFailed("no", interval: .milliseconds(250), now: now)
            }
        case .stop, .kill: end(exitCode: 137)
        case .remove: container = nil
        case .fail(let reason, _): history.note.outcome = .failed(reason: reason)
        case .finish(let code): history.note.outcome = .exited(code: code)
        case .publishTombstone, .forget: history = InstanceHistory()
        }
    }

    mutating func end(exitCode: Int) {
        guard container?.state == .running else { return }
        container = Sample.container(
            .ended, exitCode: exitCode, startedAt: container?.startedAt, finishedAt: now)
    }

    /// Until a plan has nothing to do and nothing to wait for, or `steps` are over.
    mutating func settle(_ intent: Intent, steps: Int = 2_000, crashPercent: Int = 0) -> Bool {
        for _ in 0..<steps {
            if chance(crashPercent) { end(exitCode: 1) }
            history.observe(container, now: now)
            let plan = InstancePlanner.plan(intent, container: container, history: history, now: now)
            if plan.actions.isEmpty {
                guard let time = plan.recheckAt else { return true }
                now = max(time, now.advanced(by: .milliseconds(1)))
            }
            for action in plan.actions { apply(action) }
            now = now.advanced(by: .milliseconds(3))
        }
        return false
    }
}

@Suite struct PlannerConvergenceTests {
    @Test(arguments: UInt64(0)..<100)
    func webInstanceEndsReadyOrFailedAndThenGone(seed: UInt64) {
        var simulation = Simulation(seed: seed)
        let hasStarted = simulation.settle(.run(Sample.web()))
        #expect(hasStarted, "seed \(seed)")
        switch simulation.history.published {
        case .ready?: #expect(simulation.container?.state == .running, "seed \(seed)")
        case .failed?: #expect(simulation.container == nil, "seed \(seed)")
        default: Issue.record("seed \(seed): \(String(describing: simulation.history.published))")
        }
        let hasStopped = simulation.settle(.stop(Sample.web(goal: .stopped)))
        #expect(hasStopped, "seed \(seed)")
        #expect(simulation.container == nil)
        #expect(simulation.history.published == .stopped)
    }

    @Test(arguments: UInt64(0)..<100)
    func instanceThatWasReadyComesBackFromEveryCrash(seed: UInt64) {
        var simulation = Simulation(seed: seed)
        simulation.history.note.readyRun = Sample.start
        simulation.container = Sample.container(.running)
        _ = simulation.settle(.run(Sample.web()), steps: 300, crashPercent: 10)
        let hasRecovered = simulation.settle(.run(Sample.web()))
        #expect(hasRecovered, "seed \(seed)")
        guard case .ready? = simulation.history.published else {
            Issue.record("seed \(seed): \(String(describing: simulation.history.published))")
            return
        }
        #expect(simulation.container?.state == .running)
    }

    @Test(arguments: UInt64(0)..<100)
    func releaseHookIsStartedAtMostOnceWhateverCrashes(seed: UInt64) {
        var simulation = Simulation(seed: seed)
        _ = simulation.settle(.run(Sample.release()), steps: 100, crashPercent: 5)
        // The agent restarts with what is on disk.
        simulation.history = InstanceHistory(note: simulation.history.note)
        if simulation.chance(30) { simulation.container = nil }
        let isAtRest = simulation.settle(.run(Sample.release()))
        #expect(isAtRest, "seed \(seed)")
        #expect(simulation.launches <= 1, "seed \(seed)")
        #expect(simulation.history.note.outcome != nil, "seed \(seed)")
    }
}
