// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// Decides what to do next for one environment, from what is true now. Pure: no clock, no identifiers, no I/O of its
/// own. It is asked again after its actions are applied and settles when it returns none.
///
/// A deployment walks the stages in order; each stage is re-derived from the view, so a crash between any two
/// transactions changes nothing but the time.
struct EnvironmentPlanner {
    let view: EnvironmentView
    let now: Timestamp
    let identifiers: IdentifierSource
    private var plan = Plan()

    static func plan(_ view: EnvironmentView, now: Timestamp, identifiers: IdentifierSource = IdentifierSource())
        -> Plan
    {
        var planner = EnvironmentPlanner(view: view, now: now, identifiers: identifiers)
        planner.run()
        return planner.plan
    }

    private init(view: EnvironmentView, now: Timestamp, identifiers: IdentifierSource) {
        self.view = view
        self.now = now
        self.identifiers = identifiers
    }

    private mutating func run() {
        if view.isRemoved {
            tearDown()
            return
        }
        for cancelled in view.queue.dropFirst() where cancelled.isCancelRequested {
            act(.fail(cancelled.id, .queued, reason: Self.cancelledReason, wasCancelled: true))
        }
        if let deployment = view.queue.first { advance(deployment) }
        // A stage that acted has changed what the rest would look at.
        guard plan.actions.isEmpty else { return }
        keepRoutes()
        guard plan.actions.isEmpty else { return }
        retireAndStop()
    }

    static let cancelledReason = "cancelled by a user"

    private mutating func act(_ action: Action) { plan.actions.append(action) }

    private mutating func recheck(at time: Timestamp) {
        plan.recheckAt = plan.recheckAt.map { min($0, time) } ?? time
    }

    /// - Returns: whether `limit` has passed since the stage began; otherwise asks to be called when it does.
    private mutating func hasPassed(_ limit: Duration, in deployment: DeploymentView) -> Bool {
        let deadline = deployment.stageEnteredAt.advanced(by: limit)
        if now >= deadline { return true }
        recheck(at: deadline)
        return false
    }

    // MARK: Stages

    private mutating func advance(_ deployment: DeploymentView) {
        if deployment.isCancelRequested {
            if let build = deployment.build, deployment.image == nil { act(.cancelBuild(build)) }
            fail(deployment, Self.cancelledReason, wasCancelled: true)
            return
        }
        switch deployment.stage {
        case .queued: begin(deployment)
        case .build: awaitBuild(deployment)
        case .provision: provision(deployment)
        case .place: place(deployment)
        case .release: awaitRelease(deployment)
        case .start: awaitStart(deployment)
        case .switching: awaitSwitch(deployment)
        case .drain, .finished: break
        }
    }

    private mutating func begin(_ deployment: DeploymentView) {
        if let image = deployment.request.image ?? view.knownImage {
            act(.useImage(image, wasReused: true, deployment.id))
            act(.enter(.provision, deployment.id, message: "the image is known and is used again"))
            return
        }
        act(.requestBuild(identifiers.build(), deployment.id))
        act(.enter(.build, deployment.id, message: "building commit \(deployment.request.source.commit.prefix(12))"))
    }

    private mutating func awaitBuild(_ deployment: DeploymentView) {
        if let failure = deployment.buildFailure {
            fail(deployment, failure)
        } else if deployment.image != nil {
            act(.enter(.provision, deployment.id, message: "the image is built"))
        } else if hasPassed(ControllerLimits.buildMax, in: deployment) {
            if let build = deployment.build { act(.cancelBuild(build)) }
            fail(deployment, "no builder finished the build in time: see that slipway-builder runs")
        }
    }

    private mutating func provision(_ deployment: DeploymentView) {
        let declared = deployment.request.spec.run.services
        var missing = false
        for (name, spec) in declared.sorted(by: { $0.key < $1.key }) {
            let service = view.services.first { $0.name == name }
            switch service?.state {
            case .provisioned: continue
            case .failed where service.map({ $0.changedAt > deployment.stageEnteredAt }) ?? false:
                fail(deployment, "service \(name) cannot be provisioned: \(service?.reason ?? "")")
                return
            case .requested, .removing: missing = true
            case .failed, nil:
                // What failed for an earlier deployment may succeed now: the manifest or the server has changed.
                missing = true
                act(.requestService(service?.id ?? identifiers.service(), name: name, spec, deployment.id))
            }
        }
        if !missing {
            act(.enter(.place, deployment.id, message: "choosing hosts"))
        } else if plan.actions.isEmpty, hasPassed(ControllerLimits.provisionMax, in: deployment) {
            fail(deployment, "services were not provisioned in time: see that slipway-services runs")
        }
    }

    private mutating func place(_ deployment: DeploymentView) {
        let run = deployment.request.spec.run
        let memory = run.resources.memoryBytes
        let outcome = Placement.choose(run.instances, memoryBytes: memory, among: view.hosts, at: now)
        switch outcome {
        case .placed(let hosts):
            if run.release != nil, let host = hosts.first {
                act(.createInstance(identifiers.instance(), host, .release, deployment.id))
                act(.enter(.release, deployment.id, message: "running the release hook"))
            } else {
                start(deployment, on: hosts)
            }
        case .refused(let why):
            waitFor(room: why, of: deployment, limit: ControllerLimits.placeMax)
        }
    }

    private mutating func waitFor(room why: String, of deployment: DeploymentView, limit: Duration) {
        if hasPassed(limit, in: deployment) {
            fail(deployment, "no host can run it: \(why)")
        } else if deployment.note != why {
            act(.note(deployment.id, message: why))
        }
    }

    private mutating func start(_ deployment: DeploymentView, on hosts: [HostID]) {
        for host in hosts { act(.createInstance(identifiers.instance(), host, .web, deployment.id)) }
        let count = hosts.count
        act(.enter(.start, deployment.id, message: "starting \(count) instance\(count == 1 ? "" : "s")"))
    }

    private mutating func awaitRelease(_ deployment: DeploymentView) {
        guard let hook = deployment.request.spec.run.release,
            let instance = view.instances.first(where: { $0.deployment == deployment.id && $0.role == .release })
        else {
            fail(deployment, "the release hook was lost")
            return
        }
        switch instance.phase {
        case .exited(code: 0):
            let run = deployment.request.spec.run
            let outcome = Placement.choose(
                run.instances, memoryBytes: run.resources.memoryBytes, among: view.hosts, at: now)
            switch outcome {
            case .placed(let hosts):
                act(.stopInstance(instance.id))
                start(deployment, on: hosts)
            case .refused(let why):
                let limit = Duration.seconds(hook.timeoutSeconds) + ControllerLimits.releaseMargin
                waitFor(room: why, of: deployment, limit: limit)
            }
        case .exited(let code):
            fail(deployment, "the release hook ended with exit code \(code): its output is in the deployment's log")
        case .failed(let reason):
            fail(deployment, "the release hook failed: \(reason)")
        case .stopped:
            fail(deployment, "the release hook was stopped before its end")
        case .starting, .ready, nil:
            if hasPassed(.seconds(hook.timeoutSeconds) + ControllerLimits.releaseMargin, in: deployment) {
                fail(deployment, "the release hook did not end in time, or its host stopped answering")
            }
        }
    }

    private mutating func awaitStart(_ deployment: DeploymentView) {
        let instances = webInstances(of: deployment.id)
        for instance in instances {
            if case .failed(let reason) = instance.phase {
                fail(deployment, "an instance did not become ready: \(reason)")
                return
            }
            if case .stopped = instance.phase {
                fail(deployment, "an instance was stopped before it became ready")
                return
            }
        }
        let upstreams = instances.compactMap(\.upstream)
        if upstreams.count == deployment.request.spec.run.instances {
            act(.enter(.switching, deployment.id, message: "ready: switching requests over"))
            act(
                .publishRoute(
                    hostname: deployment.request.hostname, Self.ordered(upstreams), switchingTo: deployment.id))
            return
        }
        let health = deployment.request.spec.run.web.health
        if hasPassed(.milliseconds(health.deadlineMilliseconds) + ControllerLimits.startMargin, in: deployment) {
            fail(
                deployment,
                "\(upstreams.count) of \(deployment.request.spec.run.instances) instances became ready "
                    + "in time, or their host stopped answering")
        }
    }

    private mutating func awaitSwitch(_ deployment: DeploymentView) {
        let ready = webInstances(of: deployment.id).compactMap(\.upstream).count
        if ready < deployment.request.spec.run.instances {
            fail(deployment, "an instance ended right after it had become ready: its output is in `slipway logs`")
        } else if let generation = deployment.switchGeneration, isServed(generation) {
            act(.succeed(deployment.id))
        } else if hasPassed(ControllerLimits.switchMax, in: deployment) {
            let live = view.nodes.filter { $0.isLive(at: now) }
            let late = live.count { $0.generation < deployment.switchGeneration ?? 0 }
            fail(
                deployment,
                live.isEmpty
                    ? "no ingress node is running: start slipway-ingress"
                    : "\(late) of \(live.count) ingress nodes did not take over the new route in time")
        } else {
            // A node that dies meanwhile is no longer waited for once its heartbeat is too old.
            for node in view.nodes where node.isLive(at: now) {
                recheck(at: node.heartbeatAt.advanced(by: RoutesObserved.heartbeatAgeMax + .milliseconds(1)))
            }
        }
    }

    /// The deployment ends without effect: its instances go; `keepRoutes` puts the old ones back where needed.
    private mutating func fail(_ deployment: DeploymentView, _ reason: String, wasCancelled: Bool = false) {
        act(.fail(deployment.id, deployment.stage, reason: reason, wasCancelled: wasCancelled))
        for instance in view.instances where instance.deployment == deployment.id && instance.goal == .running {
            // What a route may name is stopped after the routes have changed, by `retireAndStop`.
            if deployment.stage == .switching && instance.role == .web { continue }
            act(.stopInstance(instance.id))
        }
    }

    // MARK: Routes and old instances

    /// The deployment that requests are meant for: the one being switched to, otherwise the current one.
    private var serving: DeploymentID? {
        if let first = view.queue.first, first.stage == .switching { return first.id }
        return view.current
    }

    private func webInstances(of deployment: DeploymentID) -> [InstanceView] {
        view.instances.filter { $0.deployment == deployment && $0.role == .web }
    }

    private static func ordered(_ upstreams: [RouteDesired.Upstream]) -> [RouteDesired.Upstream] {
        upstreams.sorted { $0.instance < $1.instance }
    }

    /// Routes name exactly the ready instances of the serving deployment.
    private mutating func keepRoutes() {
        let upstreams = Self.ordered(serving.map { webInstances(of: $0).compactMap(\.upstream) } ?? [])
        for route in view.routes where Self.ordered(route.upstreams) != upstreams {
            let switching = view.queue.first.flatMap { $0.stage == .switching ? $0.id : nil }
            act(.publishRoute(hostname: route.hostname, upstreams, switchingTo: switching))
        }
    }

    /// Every live ingress node routes by `generation`, and there is at least one.
    private func isServed(_ generation: Int) -> Bool {
        let live = view.nodes.filter { $0.isLive(at: now) }
        return !live.isEmpty && live.allSatisfy { $0.generation >= generation }
    }

    /// Instances that no deployment needs any more stop once no ingress node sends them requests and the requests in
    /// flight are done, or the drain deadline has passed.
    private mutating func retireAndStop() {
        let needed = Set([serving, view.current, view.queue.first?.id].compactMap { $0 })
        let routed = Set(view.routes.flatMap { $0.upstreams.map(\.instance) })
        let generation = view.routes.map(\.generation).max() ?? 0
        for instance in view.instances {
            if instance.goal == .stopped {
                forgetWhenGone(instance)
            } else if instance.role == .release {
                if !needed.contains(instance.deployment) { act(.stopInstance(instance.id)) }
            } else if !needed.contains(instance.deployment), !routed.contains(instance.id) {
                drain(instance, generation: generation)
            }
        }
    }

    private mutating func drain(_ instance: InstanceView, generation: Int) {
        guard let retiredAt = instance.retiredAt else {
            act(.retireInstance(instance.id))
            return
        }
        let live = view.nodes.filter { $0.isLive(at: now) }
        // Without a live node nobody can tell whether requests are in flight: then only the deadline counts.
        let isDrained =
            !live.isEmpty
            && live.allSatisfy { $0.generation >= generation && $0.draining[instance.id, default: 0] == 0 }
        let deadline = retiredAt.advanced(by: ControllerLimits.drainMax)
        if isDrained || now >= deadline {
            act(.stopInstance(instance.id))
        } else {
            recheck(at: deadline)
        }
    }

    private mutating func forgetWhenGone(_ instance: InstanceView) {
        if case .stopped = instance.phase {
            act(.forgetInstance(instance.id))
            return
        }
        guard let since = instance.stopRequestedAt else { return }
        let deadline = since.advanced(by: ControllerLimits.stopReportMax)
        if now >= deadline { act(.forgetInstance(instance.id)) } else { recheck(at: deadline) }
    }

    // MARK: Removal

    private mutating func tearDown() {
        for deployment in view.queue {
            if let build = deployment.build, deployment.image == nil { act(.cancelBuild(build)) }
            act(.fail(deployment.id, deployment.stage, reason: "the environment was deleted", wasCancelled: true))
        }
        for route in view.routes { act(.removeRoute(hostname: route.hostname)) }
        for instance in view.instances where instance.goal == .running { act(.stopInstance(instance.id)) }
        for service in view.services where service.state != .removing { act(.removeService(service.id)) }
        guard plan.actions.isEmpty else { return }
        for instance in view.instances { forgetWhenGone(instance) }
        if view.instances.isEmpty, plan.actions.isEmpty, !view.isTornDown { act(.deleteEnvironment) }
    }
}
