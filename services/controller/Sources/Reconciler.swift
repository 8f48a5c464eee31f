// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Logging
import Messaging
import Postgres
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
                while !Task.isCancelled {
                    let raised = self.signal.count
                    let now = Timestamp.now()
                    if now >= nextResync {
                        await self.markUnsettled()
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
    func markUnsettled() async {
        do {
            let rows = try await pool.query(
                """
                SELECT environment AS id FROM deployments WHERE state = 'running'
                UNION SELECT environment FROM instances WHERE goal = 'stopped' OR retired_at IS NOT NULL
                UNION SELECT id FROM environments WHERE is_removed
                """)
            let environments = try rows.map { try $0.id("id", EnvironmentKind.self) }
            if environments.isEmpty { return }
            state.withLock { $0.marked.formUnion(environments) }
            signal.raise()
        } catch {
            logger.warning("resync failed, trying again", metadata: ["error": "\(error)"])
        }
    }

    private func advance(_ environment: EnvironmentID) async {
        do {
            let recheckAt = try await pool.withTransaction { transaction in
                try await self.settle(environment, in: transaction)
            }
            outbox.wake()
            state.withLock { $0.rechecks[environment] = recheckAt }
        } catch {
            if Task.isCancelled { return }
            logger.warning(
                "an environment could not be advanced, trying again",
                metadata: ["environment": "\(environment)", "error": "\(error)"])
            state.withLock { $0.rechecks[environment] = .now().advanced(by: .seconds(1)) }
        }
    }

    /// Plans and writes until nothing is left to do.
    private func settle(_ environment: EnvironmentID, in transaction: PostgresConnection) async throws -> Timestamp? {
        for _ in 0..<ControllerLimits.stepsMax {
            guard let view = try await ViewLoader(transaction: transaction).load(environment) else { return nil }
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
