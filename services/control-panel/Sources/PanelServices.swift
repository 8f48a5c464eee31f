// SPDX-License-Identifier: Apache-2.0
import EventBus
import Hummingbird
import HummingbirdCore
import Logging
import Messaging
import Postgres
import ServiceLifecycle

/// The parts of the panel, put together.
struct PanelServices: Sendable {
    let configuration: PanelConfiguration
    let pool: PostgresPool
    let outbox: Outbox
    let bus: any EventBus
    let logger: Logger
    let repositories: Repositories
    let accounts: AccountStore
    let apps: AppStore
    let variables: VariableStore
    let store: DeploymentStore
    let logs: LogStore
    let deployments: Deployments
    let pushes: PushedBranches
    let upkeep: Upkeep
    let feed: FeedStore
    let deadLetters: DeadLetterStore
    let feedWakeUps = FeedWakeUps()
    let notifier = StreamNotifier()
    let streams = Slots(PanelLimits.streamsMax)
    let processes = Slots(PanelLimits.gitProcessesMax)

    init(
        configuration: PanelConfiguration, pool: PostgresPool, outbox: Outbox, bus: any EventBus, logger: Logger
    ) {
        self.configuration = configuration
        self.pool = pool
        self.outbox = outbox
        self.bus = bus
        self.logger = logger
        repositories = Repositories(root: configuration.repositories)
        accounts = AccountStore(pool: pool)
        apps = AppStore(pool: pool, outbox: outbox, configuration: configuration)
        variables = VariableStore(pool: pool, controllerKey: configuration.controllerKey)
        store = DeploymentStore(pool: pool, configuration: configuration)
        logs = LogStore(pool: pool)
        deployments = Deployments(
            configuration: configuration, outbox: outbox, repositories: repositories, variables: variables)
        pushes = PushedBranches(
            pool: pool, apps: apps, repositories: repositories, deployments: deployments, outbox: outbox)
        feed = FeedStore(pool: pool)
        deadLetters = DeadLetterStore(pool: pool, outbox: outbox)
        upkeep = Upkeep(
            pool: pool, repositories: repositories, feed: feed, deadLetters: deadLetters, logger: logger)
    }

    var missedPushes: MissedPushes { MissedPushes(apps: apps, pushes: pushes, logger: logger) }

    func consumer() -> EventConsumer {
        EventConsumer(
            bus: bus, pool: pool, outbox: outbox, group: PanelEvents.group, topics: PanelEvents.topics,
            handlers: PanelEvents.handlers(wakeUps: feedWakeUps), logger: logger,
            afterCommit: { [notifier, feedWakeUps] record in
                notifier.raise(record.key)
                if let organisation = feedWakeUps.take(record.eventID) { notifier.raise(organisation.rawValue) }
            })
    }

    func router() -> Router<PanelContext> {
        let idempotency = Idempotency(pool: pool, fingerprints: configuration.fingerprints)
        let backend = GitBackend(root: configuration.repositories, hooksFolder: repositories.hooksFolder)
        return PanelRouter(
            accounts: AccountRoutes(accounts: accounts, idempotency: idempotency),
            apps: AppRoutes(
                apps: apps, deployments: store, repositories: repositories, pushes: pushes, upkeep: upkeep,
                idempotency: idempotency),
            variables: VariableRoutes(
                variables: variables, deployments: deployments, store: store, outbox: outbox, idempotency: idempotency),
            deployments: DeploymentRoutes(
                deployments: deployments, store: store, outbox: outbox, idempotency: idempotency),
            logs: LogRoutes(store: store, logs: logs, notifier: notifier, streams: streams),
            feed: FeedRoutes(feed: feed, notifier: notifier, streams: streams),
            bus: BusRoutes(bus: bus, streams: streams),
            deadLetters: DeadLetterRoutes(letters: deadLetters, outbox: outbox, idempotency: idempotency),
            git: GitRoutes(
                access: GitAccess(pool: pool, accounts: accounts, cloneTokens: configuration.cloneTokens),
                backend: backend, repositories: repositories,
                push: PushExchange(
                    backend: backend, pushes: pushes, apps: apps, store: store, logs: logs, notifier: notifier,
                    streams: streams),
                processes: processes),
            pool: pool
        ).make()
    }

    /// The HTTP server.
    func application(
        host: String, port: Int, onRunning: @escaping @Sendable (Int?) async -> Void
    ) -> Application<PanelResponder<RouterResponder<PanelContext>>> {
        Application(
            responder: PanelRouter.responder(router()), server: PanelRouter.server(),
            configuration: .init(
                address: .hostname(host, port: port), serverName: "Slipway",
                availableConnectionsDelegate: MaximumAvailableConnections(PanelLimits.connectionsMax, logger: logger)),
            onServerRunning: { await onRunning($0.localAddress?.port) }, logger: logger)
    }
}
