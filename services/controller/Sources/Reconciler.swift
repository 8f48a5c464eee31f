// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Messaging
import Postgres
import Secrets
import ServiceLifecycle
import Synchronization

/// Brings each environment forward whenever something about it may have changed.
///
/// Events only mark environments; the work is always the same: lock, look at everything, plan, write, commit. An
/// environment is advanced by one task at a time, several environments at once.
final class Reconciler: Service {
    private struct State {
        var marked: Set<EnvironmentID> = []
        var running: Set<EnvironmentID> = []
        var rechecks: [EnvironmentID: Timestamp] = [:]
        /// Set when the controller comes back from an absence.
        var heartbeatsSince = Timestamp(microseconds: 0)
    }

    private let pool: PostgresPool
    private let outbox: Outbox
    private let composer: InstanceComposer
    private let logger: Logger
    private let state = Mutex(State())
    private let signal = Signal()

    init(pool: PostgresPool, outbox: Outbox, composer: InstanceComposer, logger: Logger) {
        self.pool = pool
        self.outbox = outbox
        self.composer = composer
        self.logger = logger
    }

    func mark(_ environment: EnvironmentID) {
        state.withLock { _ = $0.marked.insert(environment) }
        signal.raise()
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                var nextResync = Timestamp.now()
                // A crash may have come between an event's commit and its mark.
                var isFirst = true
                while !Task.isCancelled {
                    let raised = self.signal.count
                    let now = Timestamp.now()
                    if now >= nextResync {
                        guard await self.reportAlive(at: now) else {
                            try? await Task.sleep(for: .seconds(1))
                            continue
                        }
                        await self.markUnsettled(includingSettled: isFirst)
                        isFirst = false
                        nextResync = now.advanced(by: ControllerLimits.resyncInterval)
                    }
                    let (due, next) = self.takeDue(at: now)
                    for environment in due {
                        group.addTask {
                            await self.advance(environment)
                            self.state.withLock { _ = $0.running.remove(environment) }
                            self.signal.raise()
                        }
                    }
                    let wake = min(next ?? nextResync, nextResync)
                    await self.signal.wait(since: raised, timeout: max(.milliseconds(1), wake.since(.now())))
                }
            }
        }
    }

    /// Marked environments and those whose recheck has come, none of which is being advanced.
    private func takeDue(at now: Timestamp) -> (due: [EnvironmentID], next: Timestamp?) {
        state.withLock { state in
            for (environment, time) in state.rechecks where time <= now {
                state.rechecks[environment] = nil
                state.marked.insert(environment)
            }
            let room = max(0, ControllerLimits.concurrency - state.running.count)
            let due = Array(state.marked.subtracting(state.running).prefix(room))
            state.marked.subtract(due)
            state.running.formUnion(due)
            return (due, state.rechecks.values.min())
        }
    }

    /// Everything that is not at rest: what waits for hosts or ingress nodes has no event of its own.
    func markUnsettled(includingSettled: Bool = false) async {
        do {
            let rows = try await pool.query(
                """
                SELECT environment AS id FROM deployments WHERE state = 'running'
                UNION SELECT environment FROM instances WHERE goal = 'stopped' OR retired_at IS NOT NULL
                UNION SELECT id FROM environments WHERE torn_down_at IS NULL AND (is_removed OR \(includingSettled))
                """)
            let environments = try rows.map { try $0.id("id", EnvironmentKind.self) }
            if environments.isEmpty { return }
            state.withLock { $0.marked.formUnion(environments) }
            signal.raise()
        } catch {
            logger.warning("resync failed, trying again", metadata: ["error": "\(error)"])
        }
    }

    /// Notes that the controller works, and after an absence moves every deadline by its length: what could not be
    /// seen to happen must not be judged as not having happened.
    ///
    /// - Returns: `false` while the database is away; nothing is to be decided then.
    private func reportAlive(at now: Timestamp) async -> Bool {
        do {
            let absence = try await pool.withTransaction { transaction -> Duration? in
                let rows = try await transaction.query("SELECT alive_at FROM controller_clock FOR UPDATE")
                guard let aliveAt = try rows.first?.timestamp("alive_at") else {
                    try await transaction.query("INSERT INTO controller_clock VALUES (\(now))")
                    return nil
                }
                try await transaction.query("UPDATE controller_clock SET alive_at = \(now)")
                let gap = now.since(aliveAt)
                guard gap > ControllerLimits.absenceMin else { return nil }
                let seconds = gap.inSeconds
                try await transaction.query(
                    """
                    UPDATE deployments SET stage_entered_at = stage_entered_at + make_interval(secs => \(seconds))
                    WHERE state = 'running'
                    """)
                try await transaction.query(
                    """
                    UPDATE instances SET retired_at = retired_at + make_interval(secs => \(seconds)),
                        stop_requested_at = stop_requested_at + make_interval(secs => \(seconds))
                    WHERE retired_at IS NOT NULL OR stop_requested_at IS NOT NULL
                    """)
                return gap
            }
            if let absence {
                state.withLock { $0.heartbeatsSince = now }
                logger.notice("back after an absence", metadata: ["seconds": "\(absence.inSeconds)"])
            }
            return true
        } catch {
            logger.warning("the database is away", metadata: ["error": "\(error)"])
            return false
        }
    }

    private func advance(_ environment: EnvironmentID) async {
        do {
            let recheckAt = try await pool.withTransaction { transaction in
                try await self.settle(environment, in: transaction)
            }
            outbox.wake()
            state.withLock { $0.rechecks[environment] = recheckAt }
        } catch let error where error is SealError || error is EventError {
            // Trying again would fail again: the deployment cannot be carried out as it is.
            await giveUp(environment, "\(error)")
        } catch {
            if Task.isCancelled { return }
            logger.warning(
                "an environment could not be advanced, trying again",
                metadata: ["environment": "\(environment)", "error": "\(error)"])
            state.withLock { $0.rechecks[environment] = .now().advanced(by: .seconds(1)) }
        }
    }

    private func giveUp(_ environment: EnvironmentID, _ reason: String) async {
        logger.error(
            "a deployment cannot be carried out", metadata: ["environment": "\(environment)", "error": "\(reason)"])
        do {
            try await pool.withTransaction { transaction in
                guard let view = try await ViewLoader(transaction: transaction).load(environment),
                    let first = view.queue.first
                else { return }
                let writer = ActionWriter(
                    transaction: transaction, outbox: outbox, composer: composer, view: view, now: .now())
                try await writer.write(.fail(first.id, first.stage, reason: reason, wasCancelled: false))
            }
            outbox.wake()
            mark(environment)
        } catch {
            state.withLock { $0.rechecks[environment] = .now().advanced(by: .seconds(1)) }
        }
    }

    /// Plans and writes until nothing is left to do.
    private func settle(_ environment: EnvironmentID, in transaction: PostgresConnection) async throws -> Timestamp? {
        for _ in 0..<ControllerLimits.stepsMax {
            let loader = ViewLoader(transaction: transaction, heartbeatsSince: state.withLock { $0.heartbeatsSince })
            guard let view = try await loader.load(environment) else { return nil }
            let now = Timestamp.now()
            let plan = EnvironmentPlanner.plan(view, now: now)
            if plan.actions.isEmpty { return plan.recheckAt }
            let writer = ActionWriter(
                transaction: transaction, outbox: outbox, composer: composer, view: view, now: now)
            for action in plan.actions {
                try await writer.write(action)
                logger.debug("action", metadata: ["environment": "\(environment)", "action": "\(action)"])
            }
        }
        throw PlanError("the plan for \(environment) does not settle")
    }
}
