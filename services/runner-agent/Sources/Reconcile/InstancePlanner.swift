// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events

/// One thing to do about an instance.
enum Action: Sendable, Hashable {
    case publish(InstanceObserved.Phase)
    case publishTombstone
    /// Image, network, secrets, container.
    case create(InstanceDesired)
    case start(container: String, isRestart: Bool)
    case probe(HealthCheck, at: ContainerInfo.Address, run: Timestamp)
    case stop(container: String, graceSeconds: Int)
    case kill(container: String)
    /// Once its last lines are shipped.
    case remove(container: String)
    /// It has failed for good; the container's last lines become part of the reason.
    case fail(String, container: String?)
    /// The release hook ended by itself.
    case finish(exitCode: Int)
    case forget

    /// The engine or the history is different afterwards: look again and plan anew.
    var changesCircumstances: Bool {
        switch self {
        case .publish, .publishTombstone, .forget: false
        default: true
        }
    }
}

struct Plan: Sendable, Hashable {
    var actions: [Action] = []
    /// When to look again without being woken.
    var recheckAt: Timestamp?
}

/// Decides what to do next about one instance. Pure: the same circumstances give the same plan, and carrying out the
/// plans one after another ends at a plan without actions.
struct InstancePlanner {
    let history: InstanceHistory
    let container: ContainerView?
    let now: Timestamp
    private var plan = Plan()

    static func plan(
        _ intent: Intent, container: ContainerView?, history: InstanceHistory, now: Timestamp
    ) -> Plan {
        var planner = InstancePlanner(history: history, container: container, now: now)
        switch intent {
        case .unknown:
            break
        case .stop(let desired):
            planner.end(graceSeconds: desired.stopGraceSeconds) { $0.publish(.stopped) }
        case .remove(let desired):
            planner.end(graceSeconds: desired?.stopGraceSeconds ?? RunnerLimits.stopGraceDefault) {
                $0.plan.actions += [.publishTombstone, .forget]
            }
        case .run(let desired):
            switch desired.role {
            case .web(let web): planner.serve(desired, web)
            case .release(let hook): planner.runOnce(desired, hook)
            }
        }
        return planner.plan
    }

    private init(history: InstanceHistory, container: ContainerView?, now: Timestamp) {
        self.history = history
        self.container = container
        self.now = now
    }

    // MARK: Web

    private mutating func serve(_ desired: InstanceDesired, _ web: WebSpec) {
        if let outcome = history.note.outcome {
            publish(outcome)
            if let container { removeByForce(container) }
            return
        }
        guard let container else {
            launch(.create(desired))
            return
        }
        switch container.state {
        case .changing: waitForEngine()
        case .damaged: perform(.remove(container: container.id))
        case .created: launch(.start(container: container.id, isRestart: history.wasEverReady))
        case .running: serve(web, running: container)
        case .ended: serve(web, ended: container)
        }
    }

    private mutating func serve(_ web: WebSpec, running container: ContainerView) {
        if history.note.readyRun == container.run, let address = container.address {
            publish(.ready(address: address.host, port: address.port))
            return
        }
        // A run that was ready before the agent restarted is not called `starting` until a check says so.
        if history.published != nil || history.probes > 0 { publish(.starting) }
        let deadline = container.run.advanced(by: .milliseconds(web.health.deadlineMilliseconds))
        if now >= deadline {
            if history.wasEverReady {
                // It served before: killed, it counts as crashed and is started again.
                perform(.kill(container: container.id))
            } else {
                perform(.fail(Reasons.notReady(web, lastProbe: history.lastProbe), container: container.id))
            }
            return
        }
        guard let address = container.address else {
            recheck(min(now.advanced(by: RunnerLimits.transitionPoll), deadline))
            return
        }
        if let next = history.nextProbeAt, next > now {
            recheck(min(next, deadline))
        } else {
            perform(.probe(web.health, at: address, run: container.run))
        }
    }

    private mutating func serve(_ web: WebSpec, ended container: ContainerView) {
        guard history.wasEverReady else {
            perform(.fail(Reasons.endedBeforeReady(container), container: container.id))
            return
        }
        publish(.starting)
        if let restartAt = history.restartAt, restartAt > now {
            recheck(restartAt)
        } else {
            launch(.start(container: container.id, isRestart: true))
        }
    }

    // MARK: Release

    private mutating func runOnce(_ desired: InstanceDesired, _ hook: HookSpec) {
        if let outcome = history.note.outcome {
            // The ended container stays: it is the record that the hook has run.
            if let container, container.state == .running { perform(.kill(container: container.id)) }
            publish(outcome)
            return
        }
        guard let container else {
            if history.note.isLaunched {
                perform(.fail(Reasons.releaseLost, container: nil))
            } else {
                launch(.create(desired))
            }
            return
        }
        switch container.state {
        case .changing:
            waitForEngine()
        case .damaged:
            perform(.fail(Reasons.releaseLost, container: nil))
        case .created:
            launch(.start(container: container.id, isRestart: false))
        case .running:
            publish(.starting)
            let deadline = container.run.advanced(by: .seconds(hook.timeoutSeconds))
            if now >= deadline {
                perform(.kill(container: container.id))
                perform(.fail(Reasons.releaseTimedOut(hook), container: container.id))
            } else {
                recheck(deadline)
            }
        case .ended:
            if container.wasOutOfMemory {
                perform(.fail(Reasons.outOfMemory(desired), container: container.id))
            } else {
                perform(.finish(exitCode: container.exitCode))
            }
        }
    }

    // MARK: Ending

    private mutating func end(graceSeconds: Int, _ report: (inout InstancePlanner) -> Void) {
        guard let container else {
            report(&self)
            return
        }
        switch container.state {
        case .running:
            retrying { $0.perform(.stop(container: container.id, graceSeconds: graceSeconds)) }
        case .changing:
            waitForEngine()
        case .created, .ended, .damaged:
            retrying { $0.perform(.remove(container: container.id)) }
        }
    }

    private mutating func removeByForce(_ container: ContainerView) {
        switch container.state {
        case .changing: waitForEngine()
        case .running: retrying { $0.perform(.kill(container: container.id)) }
        case .created, .ended, .damaged: retrying { $0.perform(.remove(container: container.id)) }
        }
    }

    // MARK: Parts of a plan

    private mutating func publish(_ phase: InstanceObserved.Phase) {
        if history.published != phase, !plan.actions.contains(.publish(phase)) { plan.actions.append(.publish(phase)) }
    }

    private mutating func perform(_ action: Action) { plan.actions.append(action) }

    /// On the way to a running container: said first, done when the back-off of earlier failures is over.
    private mutating func launch(_ action: Action) {
        publish(.starting)
        retrying { $0.perform(action) }
    }

    private mutating func retrying(_ body: (inout InstancePlanner) -> Void) {
        if let retryAt = history.retryAt, retryAt > now { recheck(retryAt) } else { body(&self) }
    }

    private mutating func waitForEngine() { recheck(now.advanced(by: RunnerLimits.transitionPoll)) }

    private mutating func recheck(_ time: Timestamp) {
        plan.recheckAt = min(plan.recheckAt ?? time, time)
    }
}
