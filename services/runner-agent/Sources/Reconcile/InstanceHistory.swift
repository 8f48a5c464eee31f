// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// What the agent remembers of one instance between two looks at it.
struct InstanceHistory: Sendable, Hashable {
    /// The part that survives a restart of the agent.
    var note = InstanceNote()
    /// What was published last; `nil` when nothing was since the agent started.
    var published: InstanceObserved.Phase?
    var restarts = 0

    /// The run that the following fields are about: the start time of the container's process.
    private(set) var run: Timestamp?
    private(set) var probes = 0
    private(set) var lastProbe: String?
    private(set) var nextProbeAt: Timestamp?

    private(set) var crashesInRow = 0
    private(set) var countedEnd: Timestamp?
    /// When what has crashed may be started again.
    private(set) var restartAt: Timestamp?

    /// Engine actions that failed in a row, and when the next may be tried.
    private(set) var failures = 0
    private(set) var retryAt: Timestamp?

    /// How often the engine had come back when this instance was last looked at.
    var engineReturns = 0

    init(note: InstanceNote = InstanceNote()) {
        self.note = note
    }

    var wasEverReady: Bool { note.readyRun != nil }

    /// Takes in what the engine says: a new run begins its own checks, an end after readiness counts as a crash.
    mutating func observe(_ container: ContainerView?, now: Timestamp) {
        guard let container else {
            run = nil
            return
        }
        if container.state == .running, run != container.run {
            run = container.run
            probes = 0
            lastProbe = nil
            nextProbeAt = nil
        }
        if container.state == .ended, wasEverReady, countedEnd != container.finishedAt ?? container.run {
            let end = container.finishedAt ?? container.run
            countedEnd = end
            let isFirst = end.since(container.run) >= RunnerLimits.stableAfter
            crashesInRow = isFirst ? 1 : crashesInRow + 1
            restartAt = end.advanced(by: Self.restartDelay(crashes: crashesInRow))
        }
    }

    /// n² seconds, at most `RunnerLimits.restartBackOffMax`.
    static func restartDelay(crashes: Int) -> Duration {
        let crashes = min(max(0, crashes), 1_000)
        return min(.seconds(crashes * crashes), RunnerLimits.restartBackOffMax)
    }

    mutating func probeFailed(_ why: String, interval: Duration, now: Timestamp) {
        lastProbe = why
        nextProbeAt = now.advanced(by: Self.probeDelay(after: probes, interval: interval))
        probes += 1
    }

    /// Doubles from `RunnerLimits.firstProbeInterval` up to the manifest's interval.
    static func probeDelay(after probes: Int, interval: Duration) -> Duration {
        let factor: Int = 1 << min(max(0, probes), 12)
        let quick = RunnerLimits.firstProbeInterval * factor
        return max(RunnerLimits.probeIntervalMin, min(interval, quick))
    }

    mutating func becameReady(run: Timestamp) {
        note.readyRun = run
        lastProbe = nil
    }

    mutating func started(restarted: Bool) {
        if restarted { restarts += 1 }
        failures = 0
        retryAt = nil
    }

    mutating func actionFailed(now: Timestamp) {
        failures += 1
        let factor: Int = 1 << min(failures - 1, 10)
        retryAt = now.advanced(by: min(RunnerLimits.retryBackOffMin * factor, RunnerLimits.retryBackOffMax))
    }

    mutating func actionSucceeded() {
        failures = 0
        retryAt = nil
    }

    /// The engine is back: nothing waits for its back-off any more.
    mutating func forgetBackOff() {
        retryAt = nil
    }
}
