// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Messaging
import Postgres

/// What the panel learns from the other services.
enum PanelEvents {
    static let group = "panel"
    static let topics: [Topic] = [.deployments, .builds, .usage, .telemetryLogs, .deadLetters]

    static func handlers(wakeUps: FeedWakeUps) -> EventHandlers {
        var handlers = EventHandlers()
        for payload in FeedPayloads.all { feed(payload, wakeUps, in: &handlers) }
        handlers.on(LogLines.self) { event, transaction in try await logged(event.data, in: transaction) }
        handlers.on(DeadLetter.self) { event, transaction in
            try await DeadLetterStore.park(event, in: transaction)
        }
        return handlers
    }

    /// The event's own effect, and its place in the feed of its organisation.
    private static func feed<Payload: FeedPayload>(
        _: Payload.Type, _ wakeUps: FeedWakeUps, in handlers: inout EventHandlers
    ) {
        handlers.on(Payload.self) { event, transaction in
            try await event.data.apply(at: event.time, in: transaction)
            if let organisation = try await FeedStore.append(event, in: transaction) {
                wakeUps.note(event.id, of: organisation)
            }
        }
    }

    static func progressed(
        _ data: DeploymentProgressed, at time: Timestamp, in transaction: PostgresConnection
    ) async throws {
        try await LogStore.append(
            [(time, data.message)], stage: data.stage.rawValue, to: data.deployment, in: transaction)
        // What has ended stays ended.
        let state = data.stage == .queued ? DeploymentState.queued : .running
        let started = data.stage == .queued ? nil : time
        try await transaction.query(
            """
            UPDATE deployments SET stage = \(data.stage.rawValue), state = \(state.rawValue),
                started_at = coalesce(started_at, \(started))
            WHERE id = \(data.deployment) AND state IN ('queued', 'running')
            """)
    }

    static func succeeded(
        _ data: DeploymentSucceeded, at time: Timestamp, in transaction: PostgresConnection
    ) async throws {
        // The environment's row comes first, as everywhere: two orders of locking could deadlock.
        try await transaction.query("SELECT 1 FROM environments WHERE id = \(data.environment) FOR UPDATE")
        let rows = try await transaction.query(
            """
            UPDATE deployments SET state = 'succeeded', stage = \(DeploymentStage.finished.rawValue),
                image = \(data.image), image_reused = \(data.imageWasReused), finished_at = \(time),
                started_at = coalesce(started_at, \(time)), reason = NULL
            WHERE id = \(data.deployment) RETURNING id
            """)
        guard !rows.isEmpty else { return }
        try await transaction.query(
            "UPDATE environments SET current_deployment = \(data.deployment) WHERE id = \(data.environment)")
    }

    static func failed(
        _ data: DeploymentFailed, at time: Timestamp, in transaction: PostgresConnection
    ) async throws {
        let state = data.wasCancelled ? DeploymentState.cancelled : .failed
        try await transaction.query(
            """
            UPDATE deployments SET state = \(state.rawValue), stage = \(data.stage.rawValue),
                reason = \(LogBudget.clean(data.reason)), finished_at = \(time)
            WHERE id = \(data.deployment) AND state <> 'succeeded'
            """)
    }

    static func logged(_ data: LogLines, in transaction: PostgresConnection) async throws {
        let lines = data.lines.map { (at: $0.at, text: $0.text) }
        switch (data.source.known, data.deployment) {
        case (.build, let deployment?), (.release, let deployment?):
            try await LogStore.append(
                lines, dropped: data.dropped, stage: data.source.rawValue, to: deployment, in: transaction)
        default:
            try await LogStore.append(
                lines, dropped: data.dropped, instance: data.instance, source: data.source.rawValue,
                to: data.environment, in: transaction)
        }
    }
}
