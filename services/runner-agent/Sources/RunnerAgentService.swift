// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Buses
import EngineClient
import FoundationEssentials
import Logging
import ServiceKit
import ServiceLifecycle

/// One per host: makes the container engine match the desired instances.
public enum RunnerAgentService {
    public static let source = "/slipway/runner"

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let cloudspace = settings.string("cloudspace", default: "local")
        let bus = Buses.make(&settings, environment, connectionsMax: 4)
        let socket = settings.string("engine.socket", default: "/var/run/docker.sock")
        let folder = settings.string("runner.state", expected: "a folder that only this agent uses")
        let address = settings.string("runner.address", default: "127.0.0.1", expected: "an IP address of this host")
        let name = settings.string("runner.name", default: ProcessInfo.processInfo.hostName)
        try settings.check()
        guard let bus else { return [] }

        let logger = environment.logger
        let identity = try HostIdentity.load(from: folder)
        let ownership = Ownership(cloudspace: cloudspace, host: identity.host)
        let store = try AgentStore(path: folder + "/state.json", logger: logger)
        let outlet = try LogOutlet(bus: bus, source: source, path: folder + "/log-positions.json", logger: logger)
        let publisher = ObservedPublisher(bus: bus, logger: logger)

        // From here on nothing throws: HTTP clients must be shut down, which `Connections` does.
        let engine = EngineClient(socketPath: socket, logger: logger)
        let probeClient = HealthProbe.makeClient()
        let status = EngineStatus()
        let queue = WorkQueue()
        let shipper = LogShipper(engine: engine, outlet: outlet, logger: logger)
        let networks = EnvironmentNetworks(engine: engine, cloudspace: cloudspace, logger: logger)
        let maker = ContainerMaker(
            engine: engine, networks: networks, recipe: ContainerRecipe(ownership: ownership, address: address),
            key: identity.key, logger: logger)
        let worker = InstanceWorker(
            engine: engine, store: store, queue: queue, publisher: publisher, shipper: shipper, networks: networks,
            maker: maker, probe: HealthProbe(client: probeClient), ownership: ownership, source: source, logger: logger)
        let watch = EngineWatch(
            engine: engine, status: status, store: store, queue: queue, worker: worker, networks: networks,
            ownership: ownership, logger: logger)
        let follower = DesiredFollower(
            host: identity.host, bus: bus, prepare: { try await bus.prepare() }, store: store, queue: queue,
            onCaughtUp: { try await watch.resync() }, logger: logger)
        let heartbeat = Heartbeat(
            identity: identity, name: name, address: address, engine: engine, status: status, bus: bus, source: source,
            logger: logger)

        environment.readiness.require("engine") { status.problem }
        return [
            Connections(engine: engine, probes: probeClient), bus, publisher, store, shipper,
            Reconciler(queue: queue, worker: worker), watch, follower, heartbeat,
        ]
    }
}

/// Closes the connections to engine and instances, last of all.
private struct Connections: Service {
    let engine: EngineClient
    let probes: HTTPClient

    func run() async throws {
        try? await gracefulShutdown()
        try await engine.shutdown()
        try await probes.shutdown()
    }
}
