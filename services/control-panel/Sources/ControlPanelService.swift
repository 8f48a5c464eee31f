// SPDX-License-Identifier: Apache-2.0
import Buses
import Messaging
import Postgres
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
        // Without the bus the panel serves Git and the API, and keeps what it has to say in its outbox: whoever takes
        // an unready process out of service must not take pushes and logins away with it.
        let bus = Buses.make(&settings, environment, connectionsMax: 4, isNeededForReadiness: false)
        let address = settings.address("panel.listen", default: "127.0.0.1:0")
        let configuration = PanelConfiguration.read(&settings)
        try settings.check()
        guard let configuration, let bus else { return [] }

        let logger = environment.logger
        let pool = PostgresPool(.init(url: databaseURL, name: environment.name))
        try await pool.migrate(panelMigrations)
        let outbox = Outbox(pool: pool, bus: bus, source: source, logger: logger)
        let panel = PanelServices(
            configuration: configuration, pool: pool, outbox: outbox, bus: bus, logger: logger)
        try await panel.repositories.prepare(hookCommand: configuration.hookCommand)

        environment.readiness.require("database") { await pool.problem() }
        let server = panel.application(host: address.host, port: address.port) { port in
            environment.runFile.bound(listener, port: port)
        }
        return [
            pool, bus, outbox, InboxPurge(pool: pool, logger: logger), panel.consumer(), panel.upkeep,
            panel.missedPushes, PanelServer(server: server, address: address),
        ]
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
