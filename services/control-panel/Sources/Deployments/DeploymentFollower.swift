// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import ServiceLifecycle

/// Reads a deployment's log as it grows, to its end. Used by event streams and by pushes alike.
///
/// Ask for steps until `ended` or `interrupted`.
struct DeploymentFollower {
    enum Step: Sendable {
        case lines([LogLine])
        /// Nothing happened for `PanelLimits.heartbeatInterval`.
        case quiet
        case ended(DeploymentAnswer)
        /// This process is shutting down; another one can go on after the last line given.
        case interrupted
    }

    private let store: DeploymentStore
    private let logs: LogStore
    private let signal: Signal
    private let deployment: DeploymentID
    private var after: Int
    private var lastStep = ContinuousClock.now
    private var ending: (answer: DeploymentAnswer, until: ContinuousClock.Instant)?

    /// - Parameter signal: from `StreamNotifier.watch`.
    init(_ deployment: DeploymentID, after sequence: Int, store: DeploymentStore, logs: LogStore, signal: Signal) {
        self.deployment = deployment
        after = sequence
        self.store = store
        self.logs = logs
        self.signal = signal
    }

    mutating func next() async throws -> Step {
        while true {
            let raised = signal.count
            let lines = try await logs.lines(of: deployment, after: after, limit: PanelLimits.streamBatch)
            if let last = lines.last {
                after = last.sequence
                lastStep = .now
                return .lines(lines)
            }
            if let ending, ContinuousClock.now >= ending.until { return .ended(ending.answer) }
            if Task.isShuttingDownGracefully || Task.isCancelled { return .interrupted }
            if ending == nil {
                try await lookForEnd()
                if ending != nil { continue }
            }
            let quietFor = ContinuousClock.now - lastStep
            if quietFor >= PanelLimits.heartbeatInterval {
                lastStep = .now
                return .quiet
            }
            await signal.wait(since: raised, timeout: patience(quietFor: quietFor))
        }
    }

    /// The last lines may come after the end, on another topic: they are waited for a little.
    private mutating func lookForEnd() async throws {
        let answer = try await store.answer(deployment)
        guard answer.state.isFinal else { return }
        let patience =
            answer.state == .succeeded ? PanelLimits.stragglersAfterSuccess : PanelLimits.stragglersAfterFailure
        ending = (answer, ContinuousClock.now + patience)
    }

    private func patience(quietFor: Duration) -> Duration {
        let patience = min(PanelLimits.streamPollInterval, PanelLimits.heartbeatInterval - quietFor)
        guard let ending else { return patience }
        return min(patience, max(.milliseconds(1), ending.until - ContinuousClock.now))
    }
}
