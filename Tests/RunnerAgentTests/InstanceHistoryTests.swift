// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Testing

@testable import RunnerAgent

@Suite struct InstanceHistoryTests {
    private func readyHistory() -> InstanceHistory { InstanceHistory(note: InstanceNote(readyRun: Sample.start)) }

    @Test func crashesInARowWaitLongerEachTimeUpToALimit() {
        var history = readyHistory()
        var delays: [Duration] = []
        for crash in 0..<7 {
            let start = Sample.at(Double(crash) * 100)
            let end = start.advanced(by: .seconds(1))
            history.observe(Sample.container(.running, startedAt: start), now: start)
            history.observe(Sample.container(.ended, startedAt: start, finishedAt: end), now: end)
            delays.append((history.restartAt ?? end).since(end))
        }
        let expected: [Duration] = [1, 4, 9, 16, 25, 30, 30].map { .seconds($0) }
        #expect(delays == expected)
    }

    @Test func stableRunBeginsAgainWithTheShortestWait() {
        var history = readyHistory()
        for (start, length) in [(0.0, 1.0), (100, 1), (200, 10)] {
            let end = Sample.at(start + length)
            history.observe(
                Sample.container(.ended, startedAt: Sample.at(start), finishedAt: end), now: end)
        }
        #expect(history.crashesInRow == 1)
    }

    @Test func endIsCountedOnceHoweverOftenItIsSeen() {
        var history = readyHistory()
        let ended = Sample.container(.ended, finishedAt: Sample.at(1))
        for _ in 0..<5 { history.observe(ended, now: Sample.at(2)) }
        #expect(history.crashesInRow == 1)
    }

    @Test func endBeforeReadinessIsNoCrash() {
        var history = InstanceHistory()
        history.observe(Sample.container(.ended, finishedAt: Sample.at(1)), now: Sample.at(2))
        #expect(history.crashesInRow == 0)
    }

    @Test func probesComeQuicklyAtFirstThenAtTheManifestsInterval() {
        let delays = (0..<6).map { InstanceHistory.probeDelay(after: $0, interval: .milliseconds(250)) }
        let expected: [Duration] = [25, 50, 100, 200, 250, 250].map { .milliseconds($0) }
        #expect(delays == expected)
        #expect(InstanceHistory.probeDelay(after: 1_000_000, interval: .zero) == RunnerLimits.probeIntervalMin)
    }

    @Test func newRunBeginsItsProbesAnew() {
        var history = InstanceHistory()
        history.observe(Sample.container(.running), now: Sample.start)
        history.probeFailed("no", interval: .seconds(1), now: Sample.start)
        history.observe(Sample.container(.running, startedAt: Sample.at(5)), now: Sample.at(5))
        #expect(history.probes == 0)
        #expect(history.lastProbe == nil)
        #expect(history.nextProbeAt == nil)
    }

    @Test func failedActionsBackOffUpToALimitAndAreForgottenOnSuccess() {
        var history = InstanceHistory()
        for _ in 0..<100 { history.actionFailed(now: Sample.start) }
        #expect(history.retryAt == Sample.start.advanced(by: RunnerLimits.retryBackOffMax))
        history.started(restarted: true)
        #expect(history.retryAt == nil)
        #expect(history.failures == 0)
        #expect(history.restarts == 1)
    }
}

@Suite struct VerdictTests {
    private func verdict(
        _ status: Int, _ message: String, failures: Int = 0, wasEverReady: Bool = false
    ) -> Verdict {
        let code: EngineError.Code =
            switch status {
            case 404: .notFound
            case 500: .server
            default: .refused
            }
        return Verdict.of(
            EngineError(code: code, status: status, message: message), starting: "sha256:1", failures: failures,
            wasEverReady: wasEverReady)
    }

    @Test func engineThatIsAwayIsNotTheInstancesFault() {
        let away = Verdict.of(
            EngineError(code: .unreachable, message: "gone"), starting: "i", failures: 1_000, wasEverReady: false)
        #expect(away == .tryAgain)
    }

    @Test func takenPortIsTriedAgainAFewTimes() {
        let message = "driver failed programming external connectivity: port is already allocated"
        #expect(verdict(500, message) == .tryAgain)
        guard case .giveUp(let reason) = verdict(500, message, failures: RunnerLimits.startAttemptsMax) else {
            Issue.record("must be given up")
            return
        }
        #expect(reason.contains("port"))
    }

    @Test func fullDiskIsNamed() {
        guard case .giveUp(let reason) = verdict(500, "mkdir /x: no space left on device") else {
            Issue.record("must be given up")
            return
        }
        #expect(reason.contains("disk of the host is full"))
    }

    @Test func missingImageIsNamed() {
        guard case .giveUp(let reason) = verdict(404, "No such image: sha256:1") else {
            Issue.record("must be given up")
            return
        }
        #expect(reason.contains("sha256:1 is not on the host"))
    }

    @Test func networkThatWentAwayIsMadeAnew() {
        #expect(verdict(404, "network slipway-env_1 not found") == .makeAnew)
    }

    @Test func engineWithoutInitIsUsedWithout() {
        let message = #"exec: "docker-init": executable file not found in $PATH"#
        #expect(verdict(400, message) == .makeAnewWithoutInit)
    }

    @Test func instanceThatHasServedIsNeverGivenUp() {
        #expect(verdict(500, "no space left on device", failures: 99, wasEverReady: true) == .tryAgain)
        #expect(verdict(500, "anything", failures: 99, wasEverReady: true) == .tryAgain)
    }

    @Test func programThatCannotBeStartedGivesTheEnginesWords() {
        guard case .giveUp(let reason) = verdict(400, #"exec: "gunicorn": not found in $PATH"#) else {
            Issue.record("must be given up")
            return
        }
        #expect(reason.contains("gunicorn"))
    }
}

@Suite struct ReasonTests {
    @Test func lastLinesFollowTheReason() {
        let text = Reasons.with("it failed", lastLines: (1...20).map { "line \($0)" })
        #expect(text.hasPrefix("it failed\nlast output:\n  line 11\n"))
        #expect(text.hasSuffix("  line 20"))
    }

    @Test func reasonStaysWithinItsLimit() {
        let line = String(repeating: "ü", count: 9_000)
        let text = Reasons.with(
            String(repeating: "é", count: 100_000), lastLines: Array(repeating: line, count: 30))
        #expect(text.utf8.count <= RunnerLimits.reasonBytesMax + 3)
    }

    @Test func reasonWithoutOutputIsItself() {
        #expect(Reasons.with("it failed", lastLines: []) == "it failed")
    }
}
