// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging

/// Brings a build's lines to the bus in order, one batch at a time.
struct LogPublisher: Sendable {
    let bus: any EventBus
    let source: String
    let environment: EnvironmentID
    let deployment: DeploymentID
    let logger: Logger

    /// Returns once the log is finished and its last line is published or given up.
    func run(_ log: BuildLog) async {
        while true {
            let arrivals = log.arrived.count
            let fillings = log.filled.count
            if log.isEmpty {
                if log.isFinished { return }
                await log.arrived.wait(since: arrivals, timeout: .seconds(60))
                continue
            }
            if !log.hasFullBatch, !log.isFinished {
                await log.filled.wait(since: fillings, timeout: BuilderLimits.logBatchDelay)
            }
            await publish(log.takeBatch(), of: log)
        }
    }

    private func publish(_ batch: BuildLog.Batch, of log: BuildLog) async {
        let lines = LogLines(
            environment: environment, deployment: deployment, instance: nil, source: .build, lines: batch.lines,
            dropped: batch.dropped)
        var waited: Duration = .zero
        var pause: Duration = .milliseconds(100)
        do {
            // Made once: a record that arrives twice is known by its id.
            let traceparent = TraceContext.current?.child().traceparent
            let record = try Event(source: source, traceparent: traceparent, data: lines).record()
            while true {
                do {
                    return try await bus.publish([record])
                } catch {
                    let limit = log.isFinished ? BuilderLimits.publishAfterEndMax : BuilderLimits.publishMax
                    guard waited < limit else { throw error }
                    try await Task.sleep(for: pause)
                    waited += pause
                    pause = min(pause * 2, BuilderLimits.publishBackOffMax)
                }
            }
        } catch {
            log.lost(batch)
            logger.warning(
                "lines of a build are lost",
                metadata: [
                    "deployment": "\(deployment)", "lines": "\(batch.lines.count)", "error": "\(error)",
                ])
        }
    }
}
