// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import RunnerAgent

private func planned(
    _ intent: Intent, _ container: ContainerView?, _ history: InstanceHistory = InstanceHistory(),
    at seconds: Double = 0
) -> Plan {
    var history = history
    history.observe(container, now: Sample.at(seconds))
    return InstancePlanner.plan(intent, container: container, history: history, now: Sample.at(seconds))
}

private func published(_ phase: InstanceObserved.Phase) -> InstanceHistory {
    var history = InstanceHistory()
    history.published = phase
    return history
}

private func ready(_ run: Timestamp = Sample.start) -> InstanceHistory {
    var history = InstanceHistory(note: InstanceNote(readyRun: run))
    history.published = .ready(address: Sample.address.host, port: Sample.address.port)
    return history
}

@Suite struct WebPlanTests {
    let desired = Sample.web()
    var intent: Intent { .run(desired) }

    @Test func missingContainerIsMadeAndSaidToBeStarting() {
        #expect(planned(intent, nil).actions == [.publish(.starting), .create(desired)])
    }

    @Test func nothingIsDoneWhileTheDesiredStateIsUnknown() {
        #expect(planned(.unknown, Sample.container(.running)) == Plan())
        #expect(planned(.unknown, nil) == Plan())
    }

    @Test func createdContainerIsStarted() {
        let plan = planned(intent, Sample.container(.created, startedAt: nil), published(.starting))
        #expect(plan.actions == [.start(container: "c1", isRestart: false)])
    }

    @Test func runningContainerIsProbedAtOnce() {
        let plan = planned(intent, Sample.container(.running), published(.starting))
        guard case .probe(_, let address, let run)? = plan.actions.first else {
            Issue.record("\(plan)")
            return
        }
        #expect(address == Sample.address)
        #expect(run == Sample.start)
    }

    @Test func afterAFailedProbeTheNextWaitsForItsTime() {
        var history = published(.starting)
        history.observe(Sample.container(.running), now: Sample.start)
        history.probeFailed("answered 503", interval: .milliseconds(250), now: Sample.at(1))
        let plan = planned(intent, Sample.container(.running), history, at: 1)
        #expect(plan.actions == [])
        #expect(plan.recheckAt == Sample.at(1).advanced(by: RunnerLimits.firstProbeInterval))
    }

    @Test func readyInstanceIsPublishedOnceWithItsAddress() {
        var history = ready()
        history.published = .starting
        let phase = InstanceObserved.Phase.ready(address: "127.0.0.1", port: 49_152)
        #expect(planned(intent, Sample.container(.running), history, at: 100).actions == [.publish(phase)])
        #expect(planned(intent, Sample.container(.running), ready(), at: 100) == Plan())
    }

    @Test func readyRunIsReadyAtOnceAfterARestartOfTheAgent() {
        let history = InstanceHistory(note: InstanceNote(readyRun: Sample.start))
        let phase = InstanceObserved.Phase.ready(address: "127.0.0.1", port: 49_152)
        #expect(planned(intent, Sample.container(.running), history, at: 100).actions == [.publish(phase)])
    }

    @Test func runOfUnknownReadinessIsProbedBeforeAnythingIsSaid() {
        let plan = planned(intent, Sample.container(.running), at: 1)
        #expect(plan.actions.count == 1)
        #expect(!plan.actions.contains(.publish(.starting)))
    }

    @Test func instanceThatIsNotReadyByItsDeadlineFailsWithTheLastAnswer() {
        var history = published(.starting)
        history.observe(Sample.container(.running), now: Sample.start)
        history.probeFailed("answered 503, expected 2xx or 3xx", interval: .seconds(1), now: Sample.at(59))
        let plan = planned(intent, Sample.container(.running), history, at: 60)
        guard case .fail(let reason, container: "c1")? = plan.actions.first else {
            Issue.record("\(plan)")
            return
        }
        #expect(reason.contains("not ready within 60 s"))
        #expect(reason.contains("/healthz"))
        #expect(reason.contains("answered 503"))
    }

    @Test func deadlineIsWaitedForWhenTheNextProbeIsLater() {
        var history = published(.starting)
        history.observe(Sample.container(.running), now: Sample.start)
        for _ in 0..<20 { history.probeFailed("no", interval: .seconds(30), now: Sample.at(50)) }
        #expect(planned(intent, Sample.container(.running), history, at: 50).recheckAt == Sample.at(60))
    }

    @Test func programThatEndsBeforeItIsReadyFailsAtOnceWithItsExitCode() {
        let ended = Sample.container(.ended, exitCode: 3, finishedAt: Sample.at(0.2))
        let plan = planned(intent, ended, published(.starting), at: 0.3)
        guard case .fail(let reason, container: "c1")? = plan.actions.first else {
            Issue.record("\(plan)")
            return
        }
        #expect(reason.contains("exit code 3"))
    }

    @Test func failedInstanceIsReportedAndItsContainerRemoved() {
        let failure = InstanceObserved.Phase.failed(reason: "x")
        let history = InstanceHistory(note: InstanceNote(outcome: failure))
        #expect(
            planned(intent, Sample.container(.running), history).actions == [.publish(failure), .kill(container: "c1")])
        #expect(
            planned(intent, Sample.container(.ended), history).actions == [.publish(failure), .remove(container: "c1")])
        #expect(planned(intent, nil, history).actions == [.publish(failure)])
    }

    @Test func crashAfterReadinessWaitsOneSecondThenStartsAgain() {
        let ended = Sample.container(.ended, exitCode: 1, finishedAt: Sample.at(5))
        let first = planned(intent, ended, ready(), at: 5)
        #expect(first.actions == [.publish(.starting)])
        #expect(first.recheckAt == Sample.at(6))
        let second = planned(intent, ended, ready(), at: 6)
        #expect(second.actions == [.publish(.starting), .start(container: "c1", isRestart: true)])
    }

    @Test func restartedRunMustBecomeReadyAgain() {
        let history = ready(Sample.start)
        let plan = planned(intent, Sample.container(.running, startedAt: Sample.at(10)), history, at: 10)
        #expect(plan.actions.first == .publish(.starting))
        #expect(plan.actions.count == 2)
    }

    @Test func restartedRunThatDoesNotBecomeReadyIsKilledNotGivenUp() {
        let container = Sample.container(.running, startedAt: Sample.at(10))
        let plan = planned(intent, container, ready(Sample.start), at: 71)
        #expect(plan.actions.contains(.kill(container: "c1")))
    }

    @Test func failedEngineActionIsNotRepeatedBeforeItsBackOff() {
        var history = published(.starting)
        history.actionFailed(now: Sample.start)
        let waiting = planned(intent, nil, history)
        #expect(waiting.actions == [])
        #expect(waiting.recheckAt == Sample.start.advanced(by: RunnerLimits.retryBackOffMin))
        #expect(planned(intent, nil, history, at: 1).actions == [.create(desired)])
    }

    @Test func containerBetweenTwoStatesIsLookedAtAgainSoon() {
        let plan = planned(intent, Sample.container(.changing))
        #expect(plan.actions == [])
        #expect(plan.recheckAt != nil)
    }
}

@Suite struct ReleasePlanTests {
    let desired = Sample.release(timeoutSeconds: 30)
    var intent: Intent { .run(desired) }

    @Test func hookIsMadeStartedAndWaitedFor() {
        #expect(planned(intent, nil).actions == [.publish(.starting), .create(desired)])
        #expect(
            planned(intent, Sample.container(.created, startedAt: nil), published(.starting)).actions
                == [.start(container: "c1", isRestart: false)])
        let running = planned(intent, Sample.container(.running), published(.starting), at: 1)
        #expect(running == Plan(actions: [], recheckAt: Sample.at(30)))
    }

    @Test(arguments: [0, 1, 137])
    func endOfTheHookIsReportedWithItsExitCode(code: Int) {
        let ended = Sample.container(.ended, exitCode: code, finishedAt: Sample.at(2))
        #expect(planned(intent, ended, published(.starting), at: 3).actions == [.finish(exitCode: code)])
    }

    @Test func endedHookIsNeverStartedAgainAndItsContainerStays() {
        let outcome = InstanceObserved.Phase.exited(code: 0)
        var history = InstanceHistory(note: InstanceNote(outcome: outcome, isLaunched: true))
        let ended = Sample.container(.ended, finishedAt: Sample.at(2))
        #expect(planned(intent, ended, history, at: 3).actions == [.publish(outcome)])
        #expect(planned(intent, nil, history, at: 3).actions == [.publish(outcome)])
        history.published = outcome
        #expect(planned(intent, ended, history, at: 3) == Plan())
    }

    @Test func exitCodeIsReadFromTheEngineAfterARestartOfTheAgent() {
        let history = InstanceHistory(note: InstanceNote(isLaunched: true))
        let ended = Sample.container(.ended, exitCode: 4, finishedAt: Sample.at(2))
        #expect(planned(intent, ended, history, at: 3).actions == [.finish(exitCode: 4)])
    }

    @Test func launchedHookWhoseContainerIsGoneFailsInsteadOfRunningTwice() {
        let history = InstanceHistory(note: InstanceNote(isLaunched: true))
        #expect(planned(intent, nil, history).actions == [.fail(Reasons.releaseLost, container: nil)])
    }

    @Test func hookThatWasMadeButNotStartedBeforeACrashIsStarted() {
        let history = InstanceHistory(note: InstanceNote(isLaunched: true))
        #expect(
            planned(intent, Sample.container(.created, startedAt: nil), history).actions
                == [.publish(.starting), .start(container: "c1", isRestart: false)])
    }

    @Test func hookBeyondItsLimitIsKilledAndFails() {
        let plan = planned(intent, Sample.container(.running), published(.starting), at: 30)
        #expect(plan.actions.first == .kill(container: "c1"))
        guard case .fail(let reason, container: "c1")? = plan.actions.last else {
            Issue.record("\(plan)")
            return
        }
        #expect(reason.contains("30 s"))
    }

    @Test func hookThatRanOutOfMemorySaysSo() {
        var ended = Sample.container(.ended, exitCode: 137, finishedAt: Sample.at(2))
        ended.wasOutOfMemory = true
        guard case .fail(let reason, container: _)? = planned(intent, ended, published(.starting)).actions.first else {
            Issue.record("expected a failure")
            return
        }
        #expect(reason.contains("256 MB"))
    }
}

@Suite struct EndPlanTests {
    @Test func runningInstanceIsStoppedWithItsGrace() {
        let intent = Intent.stop(Sample.web(goal: .stopped))
        #expect(
            planned(intent, Sample.container(.running), ready()).actions == [.stop(container: "c1", graceSeconds: 7)])
    }

    @Test func endedInstanceIsRemovedThenReportedAsStopped() {
        let intent = Intent.stop(Sample.web(goal: .stopped))
        #expect(planned(intent, Sample.container(.ended), ready()).actions == [.remove(container: "c1")])
        #expect(planned(intent, nil, ready()).actions == [.publish(.stopped)])
        #expect(planned(intent, nil, published(.stopped)) == Plan())
    }

    @Test func instanceNobodyWantsIsStoppedRemovedAndForgotten() {
        let intent = Intent.remove(nil)
        let grace = RunnerLimits.stopGraceDefault
        #expect(planned(intent, Sample.container(.running)).actions == [.stop(container: "c1", graceSeconds: grace)])
        #expect(planned(intent, Sample.container(.damaged)).actions == [.remove(container: "c1")])
        #expect(planned(intent, nil).actions == [.publishTombstone, .forget])
    }

    @Test func stoppedReleaseIsRemovedAlthoughItHasAnOutcome() {
        let history = InstanceHistory(note: InstanceNote(outcome: .exited(code: 0), isLaunched: true))
        let intent = Intent.stop(Sample.release(goal: .stopped))
        #expect(planned(intent, Sample.container(.ended), history).actions == [.remove(container: "c1")])
    }

    @Test func failedStopIsNotRepeatedBeforeItsBackOff() {
        var history = ready()
        history.actionFailed(now: Sample.start)
        let plan = planned(.stop(Sample.web(goal: .stopped)), Sample.container(.running), history)
        #expect(plan.actions == [])
        #expect(plan.recheckAt != nil)
    }
}
