// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Secrets

@testable import Controller

/// Seeded generator (SplitMix64): a failing run is repeated by its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// One environment with builder, services API, host and ingress around it, on a virtual clock. It applies the
/// planner's actions to the view as the database would, and checks after each what must always hold.
struct SimulatedWorld {
    var view: EnvironmentView
    var now = Timestamp(microseconds: 1_000_000_000)
    var random: SeededGenerator
    var finished: [DeploymentID: Bool] = [:]
    var reasons: [DeploymentID: String] = [:]
    var violations: [String] = []
    var notes: [String] = []
    var generation = 0
    private var made = 0
    private var later: [(at: Timestamp, change: (inout SimulatedWorld) -> Void)] = []

    /// Chance in a hundred that a build, hook or instance fails.
    var failurePercent = 0
    /// Instances with a request in flight that never ends.
    var stuckRequests: Set<InstanceID> = []

    init(seed: UInt64, hosts: Int = 2, nodes: Int = 2) {
        random = SeededGenerator(seed: seed)
        view = EnvironmentView(environment: EnvironmentID("env_1"))
        view.hosts = (0..<hosts).map {
            HostView(
                id: HostID("hst_\($0)"), name: "host\($0)", memoryBytes: 8 << 30, reservedBytes: 0, engineIsUp: true,
                heartbeatAt: now)
        }
        view.nodes = (0..<nodes).map {
            NodeView(id: IngressNodeID("ing_\($0)"), generation: 0, draining: [:], heartbeatAt: now)
        }
    }

    static func request(
        _ id: String, image: String? = nil, instances: Int = 1, release: Bool = false, service: Bool = false
    ) throws -> DeploymentRequested {
        let token = try Sealed("t", to: PrivateSealingKey().publicKey, context: "c")
        return DeploymentRequested(
            deployment: DeploymentID(id), environment: EnvironmentID("env_1"), organisation: "o", app: "a",
            environmentName: "main", hostname: "a.test", kind: .push,
            source: SourceLocation(url: "http://x", commit: "c0ffee", tree: "7ree", token: token),
            spec: AppSpec(
                build: BuildSpec(source: .dockerfile("Dockerfile")),
                run: RunSpec(
                    web: WebSpec(command: nil, port: 80), release: release ? HookSpec(command: ["true"]) : nil,
                    services: service ? ["db": ServiceSpec(kind: .postgresql, version: "15")] : [:],
                    instances: instances)),
            variables: [:], buildIdentity: "identity-\(id)", image: image)
    }

    mutating func push(_ request: DeploymentRequested) {
        view.queue.append(DeploymentView(request: request, stageEnteredAt: now))
    }

    mutating func cancel(_ id: DeploymentID) {
        for index in view.queue.indices where view.queue[index].id == id { view.queue[index].isCancelRequested = true }
    }

    // MARK: Running

    private mutating func schedule(within seconds: Int, _ change: @escaping (inout SimulatedWorld) -> Void) {
        let delay = Duration.milliseconds(Int.random(in: 1...(seconds * 1000), using: &random))
        later.append((now.advanced(by: delay), change))
    }

    private mutating func fails() -> Bool { Int.random(in: 0..<100, using: &random) < failurePercent }

    /// Plans until nothing is left to do now.
    mutating func settle() -> Timestamp? {
        for _ in 0..<200 {
            let plan = EnvironmentPlanner.plan(view, now: now, identifiers: identifiers())
            if plan.actions.isEmpty { return plan.recheckAt }
            for action in plan.actions { apply(action) }
            check()
        }
        violations.append("the plan does not settle")
        return nil
    }

    private mutating func identifiers() -> IdentifierSource {
        made += 100
        var next = made
        return IdentifierSource(
            build: {
                next += 1
                return BuildID("bld_\(next)")
            },
            service: {
                next += 1
                return ServiceInstanceID("svc_\(next)")
            },
            instance: {
                next += 1
                return InstanceID("ins_\(10_000 + next)")
            })
    }

    /// Lets things happen in their order until the world is at rest or `seconds` have passed.
    mutating func run(seconds: Int) {
        let end = now.advanced(by: .seconds(seconds))
        while now < end {
            let recheck = settle()
            heartbeats()
            later.sort { $0.at < $1.at }
            let next = [recheck, later.first?.at, now.advanced(by: .seconds(4))].compactMap { $0 }.min() ?? end
            now = max(next, now.advanced(by: .microseconds(1)))
            while let first = later.first, first.at <= now {
                later.removeFirst()
                first.change(&self)
                _ = settle()
            }
        }
    }

    /// The program ends and its agent begins to start it again.
    mutating func crash(_ id: InstanceID) {
        instance(id) { $0.phase = .starting }
    }

    var deadHosts: Set<HostID> = []
    var deadNodes: Set<IngressNodeID> = []

    private mutating func heartbeats() {
        for index in view.hosts.indices where !deadHosts.contains(view.hosts[index].id) {
            view.hosts[index].heartbeatAt = now
        }
        for index in view.nodes.indices where !deadNodes.contains(view.nodes[index].id) {
            view.nodes[index].heartbeatAt = now
        }
    }

    // MARK: The database and the world behind it

    private mutating func deployment(_ id: DeploymentID, _ change: (inout DeploymentView) -> Void) {
        for index in view.queue.indices where view.queue[index].id == id { change(&view.queue[index]) }
    }

    private mutating func instance(_ id: InstanceID, _ change: (inout InstanceView) -> Void) {
        for index in view.instances.indices where view.instances[index].id == id { change(&view.instances[index]) }
    }

    mutating func apply(_ action: Action) {
        switch action {
        case .enter(let stage, let id, _):
            let now = now
            deployment(id) {
                $0.stage = stage
                $0.stageEnteredAt = now
            }
        case .note(let id, let message):
            notes.append(message)
            deployment(id) { $0.note = message }
        case .useImage(let image, let wasReused, let id):
            deployment(id) {
                $0.image = image
                $0.imageWasReused = wasReused
            }
        case .requestBuild(let build, let id):
            deployment(id) { $0.build = build }
            let fails = fails()
            schedule(within: 30) { world in
                world.deployment(id) { if fails { $0.buildFailure = "it broke" } else { $0.image = "sha256:\(id)" } }
            }
        case .cancelBuild, .removeService: break
        case .requestService(let id, let name, _, _):
            view.services.removeAll { $0.id == id }
            view.services.append(ServiceView(id: id, name: name, state: .requested, reason: nil, changedAt: now))
            let fails = fails()
            schedule(within: 5) { world in
                for index in world.view.services.indices where world.view.services[index].id == id {
                    world.view.services[index].state = fails ? .failed : .provisioned
                    world.view.services[index].reason = fails ? "no room" : nil
                    world.view.services[index].changedAt = world.now
                }
            }
        case .createInstance(let id, let host, let role, let deployment):
            create(id, host, role, deployment)
        case .stopInstance(let id):
            stop(id)
        case .forgetInstance(let id):
            view.instances.removeAll { $0.id == id }
        case .retireInstance(let id):
            let now = now
            instance(id) { $0.retiredAt = now }
        case .publishRoute(let hostname, let upstreams, let id):
            publish(hostname, upstreams, id)
        case .removeRoute(let hostname):
            view.routes.removeAll { $0.hostname == hostname }
        case .succeed(let id):
            end(id, true, "")
            view.current = id
        case .fail(let id, _, let reason, _):
            end(id, false, reason)
        case .deleteEnvironment:
            view.isTornDown = true
        }
    }

    private mutating func end(_ id: DeploymentID, _ succeeded: Bool, _ reason: String) {
        if finished[id] != nil { violations.append("\(id) ended twice") }
        finished[id] = succeeded
        reasons[id] = reason
        view.queue.removeAll { $0.id == id }
    }

    private mutating func create(
        _ id: InstanceID, _ host: HostID, _ role: InstanceView.Role, _ deployment: DeploymentID
    ) {
        view.instances.append(InstanceView(id: id, deployment: deployment, host: host, role: role))
        let fails = fails()
        schedule(within: 10) { world in
            guard !world.deadHosts.contains(host) else { return }
            world.instance(id) { instance in
                guard instance.goal == .running else { return }
                instance.phase =
                    role == .release
                    ? .exited(code: fails ? 1 : 0)
                    : fails ? .failed(reason: "never ready") : .ready(address: "10.0.0.1", port: 1)
            }
        }
    }

    private mutating func stop(_ id: InstanceID) {
        // What any ingress node may still send requests to must not be stopped.
        for node in view.nodes where !deadNodes.contains(node.id) {
            if served[node.id, default: []].contains(id), !wasDrained(id) {
                violations.append("\(id) is stopped while \(node.id) routes to it")
            }
        }
        let now = now
        var host: HostID?
        instance(id) {
            $0.goal = .stopped
            $0.stopRequestedAt = now
            host = $0.host
        }
        schedule(within: 5) { world in
            guard let host, !world.deadHosts.contains(host) else { return }
            world.instance(id) { $0.phase = .stopped }
        }
    }

    private func wasDrained(_ id: InstanceID) -> Bool {
        guard let retiredAt = view.instances.first(where: { $0.id == id })?.retiredAt else { return false }
        return now.since(retiredAt) >= ControllerLimits.drainMax
    }

    /// What each node really routes to.
    private var served: [IngressNodeID: Set<InstanceID>] = [:]

    private mutating func publish(_ hostname: String, _ upstreams: [RouteDesired.Upstream], _ id: DeploymentID?) {
        generation += 1
        let generation = generation
        view.routes.removeAll { $0.hostname == hostname }
        view.routes.append(RouteView(hostname: hostname, generation: generation, upstreams: upstreams))
        if let id { deployment(id) { $0.switchGeneration = generation } }
        for node in view.nodes.map(\.id) {
            schedule(within: 2) { world in
                guard !world.deadNodes.contains(node) else { return }
                for index in world.view.nodes.indices where world.view.nodes[index].id == node {
                    guard world.view.nodes[index].generation < generation else { return }
                    let before = world.served[node, default: []]
                    let after = Set(upstreams.map(\.instance))
                    world.served[node] = after
                    world.view.nodes[index].generation = generation
                    for gone in before.subtracting(after) {
                        world.view.nodes[index].draining[gone] = 1
                        if world.stuckRequests.contains(gone) { continue }
                        world.schedule(within: 8) { world in
                            for index in world.view.nodes.indices where world.view.nodes[index].id == node {
                                world.view.nodes[index].draining[gone] = nil
                            }
                        }
                    }
                }
            }
        }
    }

    // MARK: What must always hold

    private mutating func check() {
        if view.queue.filter({ $0.stage != .queued }).count > 1 { violations.append("two deployments run at once") }
        for route in view.routes {
            for upstream in route.upstreams {
                guard let instance = view.instances.first(where: { $0.id == upstream.instance }) else {
                    violations.append("a route names an unknown instance")
                    continue
                }
                if instance.role != .web { violations.append("a route names a \(instance.role)") }
            }
            let deployments = Set(
                route.upstreams.compactMap { upstream in
                    view.instances.first { $0.id == upstream.instance }?.deployment
                })
            if deployments.count > 1 { violations.append("a route mixes two deployments") }
        }
    }
}
