// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Domain
import EngineClient
import EventBus
import Events
import Logging
import Synchronization

/// Brings one instance at a time to what it is to be: looks at the engine, plans, acts, and looks again, until there is
/// nothing to do but wait.
final class InstanceWorker: Sendable {
    let engine: EngineClient
    let store: AgentStore
    let queue: WorkQueue
    let publisher: ObservedPublisher
    let shipper: LogShipper
    let networks: EnvironmentNetworks
    let maker: ContainerMaker
    let probe: HealthProbe
    let ownership: Ownership
    let source: String
    let logger: Logger

    private let histories = Mutex<[InstanceID: InstanceHistory]>([:])
    private let engineReturns = Mutex(0)
    private let restarts = Counter(label: "slipway_runner_instance_restarts")
    private let failures = Counter(label: "slipway_runner_instance_failures")

    init(
        engine: EngineClient, store: AgentStore, queue: WorkQueue, publisher: ObservedPublisher, shipper: LogShipper,
        networks: EnvironmentNetworks, maker: ContainerMaker, probe: HealthProbe, ownership: Ownership, source: String,
        logger: Logger
    ) {
        self.engine = engine
        self.store = store
        self.queue = queue
        self.publisher = publisher
        self.shipper = shipper
        self.networks = networks
        self.maker = maker
        self.probe = probe
        self.ownership = ownership
        self.source = source
        self.logger = logger
    }

    /// The engine answers again: what waits for its back-off need not wait any longer.
    func engineCameBack() {
        engineReturns.withLock { $0 += 1 }
    }

    /// One visit to an instance, with what it remembers.
    struct Visit {
        let instance: InstanceID
        let interrupt: Signal
        var history: InstanceHistory
        var intent: Intent = .unknown
        /// Interrupts so far, counted before looking.
        var interrupts: UInt64 = 0
        /// Environment that has a container or a wanted instance less, and whose network may be of no more use.
        var vacated: EnvironmentID?
        var environment: EnvironmentID?
        var isForgotten = false
    }

    /// - Parameter interrupt: raised when the instance is woken meanwhile.
    func reconcile(_ instance: InstanceID, interrupt: Signal) async {
        var visit = Visit(instance: instance, interrupt: interrupt, history: history(of: instance))
        do {
            try await settle(&visit)
        } catch {
            if !Task.isCancelled { retry(&visit, after: error) }
        }
        let remembered = visit.isForgotten ? nil : visit.history
        histories.withLock { $0[instance] = remembered }
        if let environment = visit.vacated, !store.usesNetwork(of: environment) {
            await networks.removeIfUnused(environment)
        }
    }

    private func history(of instance: InstanceID) -> InstanceHistory {
        var history = histories.withLock { $0[instance] } ?? InstanceHistory(note: store.note(on: instance))
        let returns = engineReturns.withLock { $0 }
        if history.engineReturns != returns {
            history.engineReturns = returns
            history.forgetBackOff()
        }
        return history
    }

    private func settle(_ visit: inout Visit) async throws {
        for _ in 0..<RunnerLimits.stepsMax {
            visit.interrupts = visit.interrupt.count
            visit.intent = store.intent(for: visit.instance)
            if visit.intent == .unknown { return }
            let container = try await look(&visit)
            visit.history.observe(container, now: .now())
            let plan = InstancePlanner.plan(
                visit.intent, container: container, history: visit.history, now: .now())
            for action in plan.actions { try await perform(action, &visit) }
            guard plan.actions.contains(where: \.changesCircumstances) else {
                if let time = plan.recheckAt { queue.setAlarm(visit.instance, at: time) }
                return
            }
        }
        logger.warning("an instance does not settle, pausing", metadata: ["instance": "\(visit.instance)"])
        queue.setAlarm(visit.instance, at: .now().advanced(by: RunnerLimits.retryBackOffMax))
    }

    private func retry(_ visit: inout Visit, after error: any Error) {
        visit.history.actionFailed(now: .now())
        logger.warning(
            "an instance cannot be looked after, trying again",
            metadata: ["instance": "\(visit.instance)", "error": "\(error)"])
        if let time = visit.history.retryAt { queue.setAlarm(visit.instance, at: time) }
    }

    private func look(_ visit: inout Visit) async throws -> ContainerView? {
        guard let info = try await engine.inspectContainer(Ownership.containerName(visit.instance)) else { return nil }
        guard ownership.owns(info.labels) else {
            if case .run = visit.intent, visit.history.note.outcome == nil {
                conclude(
                    .failed(reason: "the name \(info.name) is used by a container that is not Slipway's: remove it"),
                    &visit)
            }
            return nil
        }
        visit.environment = info.labels[Labels.environment].map { EnvironmentID($0) }
        let desired = visit.intent.desired
        let view = ContainerView(info, port: desired?.webPort)
        if let desired, view.state == .running || view.state == .ended {
            shipper.follow(LogSubject(desired), container: view.id, run: view.run)
        }
        return view
    }

    // MARK: Acting

    private func perform(_ action: Action, _ visit: inout Visit) async throws {
        switch action {
        case .publish(let phase): try publish(phase, &visit)
        case .publishTombstone:
            visit.vacated = visit.vacated ?? visit.intent.desired?.environment
            var tombstone = Record.tombstone(InstanceObserved.self, key: visit.instance.rawValue, source: source)
            tombstone.headers["traceparent"] = traceparent(of: visit.instance)
            publisher.publish(tombstone)
        case .create(let desired): try await create(desired, &visit)
        case .start(let container, let isRestart): try await start(container, isRestart: isRestart, &visit)
        case .probe(let check, let address, let run): await checkHealth(check, at: address, run: run, &visit)
        case .stop(let container, let graceSeconds):
            try await unlessGone { try await self.engine.stopContainer(container, graceSeconds: graceSeconds) }
        case .kill(let container): try await unlessGone { try await self.engine.killContainer(container) }
        case .remove(let container):
            await shipper.drain(visit.instance)
            try await engine.removeContainer(container)
            visit.vacated = visit.environment
        case .fail(let reason, let container): await fail(reason, container: container, &visit)
        case .finish(let exitCode):
            // Whoever waits for the end of the hook finds its whole output in the log.
            await shipper.drain(visit.instance)
            conclude(.exited(code: exitCode), &visit)
        case .forget:
            store.forget(visit.instance)
            shipper.forget(visit.instance)
            visit.isForgotten = true
        }
    }

    private func unlessGone(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as EngineError where error.code == .notFound {}
    }

    private func publish(_ phase: InstanceObserved.Phase, _ visit: inout Visit) throws {
        guard let desired = visit.intent.desired else { return }
        let observed = InstanceObserved(
            instance: desired.instance, host: desired.host, environment: desired.environment,
            deployment: desired.deployment, phase: phase, restarts: visit.history.restarts, observedAt: .now())
        publisher.publish(
            try Event(source: source, traceparent: traceparent(of: visit.instance), data: observed).record())
        visit.history.published = phase
        if phase == .stopped { visit.vacated = desired.environment }
    }

    /// What is observed follows from what was desired.
    private func traceparent(of instance: InstanceID) -> String? { store.trace(of: instance)?.child().traceparent }

    private func create(_ desired: InstanceDesired, _ visit: inout Visit) async throws {
        do {
            try await maker.make(desired)
        } catch let error as ContainerMaker.Impossible {
            await fail(error.description, container: nil, &visit)
        } catch let error as EngineError {
            try await judge(error, container: nil, &visit)
        }
    }

    private func start(_ container: String, isRestart: Bool, _ visit: inout Visit) async throws {
        if let desired = visit.intent.desired, !desired.isWeb {
            try await store.noteLaunch(visit.instance)
            visit.history.note.isLaunched = true
        }
        do {
            try await engine.startContainer(container)
            visit.history.started(restarted: isRestart)
            if isRestart { restarts.increment() }
        } catch let error as EngineError {
            if !error.isRetriable {
                // The engine said no: the hook has not run and may be tried in another container.
                store.note(visit.instance) { $0.isLaunched = false }
                visit.history.note.isLaunched = false
            }
            try await judge(error, container: container, &visit)
        }
    }

    private func judge(_ error: EngineError, container: String?, _ visit: inout Visit) async throws {
        guard let desired = visit.intent.desired else { return }
        var verdict = Verdict.of(
            error, starting: desired.image, failures: visit.history.failures,
            wasEverReady: visit.history.wasEverReady)
        if verdict == .makeAnewWithoutInit, !maker.giveUpInit() { verdict = .giveUp(error.message) }
        if case .giveUp(let reason) = verdict {
            await fail(reason, container: nil, &visit)
            return
        }
        logger.notice(
            "a container did not start, trying again",
            metadata: ["instance": "\(visit.instance)", "error": "\(error)"])
        visit.history.actionFailed(now: .now())
        if verdict == .makeAnewWithoutInit { visit.history.actionSucceeded() }
        if verdict != .tryAgain, let container { try await engine.removeContainer(container, force: true) }
    }

    private func checkHealth(
        _ check: HealthCheck, at address: ContainerInfo.Address, run: Timestamp, _ visit: inout Visit
    ) async {
        let probe = self.probe
        let interrupt = visit.interrupt
        let interrupts = visit.interrupts
        // A check may take seconds: a change of what is wanted, or the end of the container, ends it.
        let outcome: HealthProbe.Outcome? = await withTaskGroup(of: HealthProbe.Outcome?.self) { group in
            group.addTask { await probe.check(check, at: address) }
            group.addTask {
                await interrupt.wait(since: interrupts, timeout: .seconds(3_600))
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        switch outcome {
        case nil:
            break
        case .ready?:
            visit.history.becameReady(run: run)
            store.note(visit.instance) { $0.readyRun = run }
        case .notReady(let why)?:
            visit.history.probeFailed(why, interval: .milliseconds(check.intervalMilliseconds), now: .now())
        }
    }

    // MARK: Ends

    private func fail(_ reason: String, container: String?, _ visit: inout Visit) async {
        let lines = if let container { await lastLines(of: container) } else { [String]() }
        failures.increment()
        logger.notice("an instance failed", metadata: ["instance": "\(visit.instance)", "reason": "\(reason)"])
        conclude(.failed(reason: Reasons.with(reason, lastLines: lines)), &visit)
    }

    private func conclude(_ outcome: InstanceObserved.Phase, _ visit: inout Visit) {
        visit.history.note.outcome = outcome
        store.note(visit.instance) { $0.outcome = outcome }
    }

    private func lastLines(of container: String) async -> [String] {
        let engine = self.engine
        let lines = await within(RunnerLimits.reasonLogsMax) { () -> [String] in
            var assembly = LogAssembly(readBefore: 0)
            var lines: [String] = []
            // The reason is worth telling without the lines, too.
            try? await engine.containerLogs(container, follow: false, tail: RunnerLimits.reasonLines) { chunk in
                lines += assembly.append(chunk).map(\.text)
            }
            lines += assembly.finish().map(\.text)
            return lines
        }
        return lines ?? []
    }
}

extension InstanceDesired {
    /// The port that is published on the host.
    var webPort: Int? {
        if case .web(let web) = role { return web.port }
        return nil
    }
}
