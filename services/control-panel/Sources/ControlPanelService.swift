// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Logging
import Messaging
import Postgres
import PostgresEventBus
import ServiceKit
import ServiceLifecycle

/// The control panel: users, apps, their repositories and variables, and what is to be deployed.
public enum ControlPanelService {
    public static let source = "/slipway/panel"
    /// The name under which the run file tells the port of the panel.
    public static let listener = "panel"

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let databaseURL = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
        let busURL = settings.string("bus.url", isSecret: true, expected: "a postgres:// URL")
        let cloudspace = settings.string("cloudspace", default: "local")
        let address = settings.address("panel.listen", default: "127.0.0.1:0")
        let configuration = PanelConfiguration.read(&settings)
        try settings.check()
        guard let configuration else { return [] }

        let logger = environment.logger
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        let busPool = PostgresPool(.init(url: busURL, name: environment.name + "-bus", connectionsMax: 4))
        let bus = PostgresEventBus(pool: busPool, prefix: cloudspace, logger: logger)
        try await pool.migrate(panelMigrations)
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let panel = PanelServices(configuration: configuration, pool: pool, outbox: outbox, logger: logger)
        try await panel.repositories.prepare(hookCommand: configuration.hookCommand)

        environment.readiness.require("database") { await pool.problem() }
        environment.readiness.require("bus") { await bus.isReachable() ? nil : "not reachable" }
        environment.readiness.expect("consumer")
        let consumer = panel.consumer(bus: bus)
        let server = panel.application(host: address.host, port: address.port) { port in
            environment.runFile.bound(listener, port: port)
        }
        return [
            pool, busPool, outbox, InboxPurge(pool: pool, logger: logger),
            WhenBusIsThere(bus: bus, readiness: environment.readiness, logger: logger, services: [bus, consumer]),
            panel.upkeep, panel.missedPushes, PanelServer(server: server, address: address),
        ]
    }
}

/// Runs what needs the bus as soon as it is there. Until then the panel serves Git and reads, and keeps what it has to
/// say in its outbox.
struct WhenBusIsThere: Service {
    let bus: PostgresEventBus
    let readiness: Readiness
    let logger: Logger
    let services: [any Service]

    func run() async throws {
        guard await prepare() else { return }
        readiness.mark("consumer")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { try await service.run() } }
            try await group.waitForAll()
        }
    }

    /// - Returns: `false` when the process shuts down before.
    private func prepare() async -> Bool {
        await cancelWhenGracefulShutdown {
            var pause = PanelLimits.busRetryMin
            while !Task.isCancelled {
                do {
                    try await bus.prepare()
                    return true
                } catch {
                    logger.warning("the event bus is not there yet", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, PanelLimits.busRetryMax)
            }
            return false
        }
    }
}

/// Says what is in the way when the panel cannot listen.
struct PanelServer<Server: Service>: Service {
    let server: Server
    let address: ListenAddress

    struct CannotListen: Error, CustomStringConvertible {
        let description: String
    }

    func run() async throws {
        do {
            try await server.run()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw CannotListen(
                description: "cannot serve on \(address.host):\(address.port): \(error). "
                    + "Choose a free address in SLIPWAY_PANEL_LISTEN")
        }
    }
}
