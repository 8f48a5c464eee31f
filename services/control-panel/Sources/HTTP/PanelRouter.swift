// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Postgres

/// All routes of the panel.
struct PanelRouter {
    let accounts: AccountRoutes
    let apps: AppRoutes
    let variables: VariableRoutes
    let deployments: DeploymentRoutes
    let logs: LogRoutes
    let feed: FeedRoutes
    let bus: BusRoutes
    let deadLetters: DeadLetterRoutes
    let git: GitRoutes
    let pool: PostgresPool

    func make() -> Router<PanelContext> {
        let router = Router(context: PanelContext.self)
        router.add(middleware: MetricsMiddleware())
        router.add(middleware: ProblemMiddleware())
        router.get("/") { _, _ in try Answer.json(Welcome()) }
        router.get("openapi.yaml") { _, _ in
            Answer.text(OpenAPIDocument.yaml, type: "application/yaml; charset=utf-8")
        }
        router.get("openapi.json") { _, _ in
            Answer.text(try OpenAPIDocument.json(), type: "application/json")
        }
        router.get("asyncapi.json") { _, _ in Answer.text(try CatalogueFiles.asyncAPI(), type: "application/json") }
        git.add(to: router)
        let api = router.group("v1")
            .add(middleware: AuthenticationMiddleware(accounts: accounts.accounts))
            .group(context: AuthenticatedContext.self)
        let endpoints = Endpoints(group: api, pool: pool)
        accounts.add(to: endpoints)
        apps.add(to: endpoints)
        variables.add(to: endpoints)
        deployments.add(to: endpoints)
        logs.add(to: endpoints)
        feed.add(to: endpoints)
        bus.add(to: endpoints)
        deadLetters.add(to: endpoints)
        return router
    }

    struct Welcome: Encodable {
        var name = "Slipway control panel"
        var api = "/v1"
        var documentation = "/openapi.yaml"
    }

    /// The router with the outermost layer around it.
    static func responder(
        _ router: Router<PanelContext>
    ) -> PanelResponder<RouterResponder<PanelContext>> {
        let table = RouteTable(router.routes.map { ($0.path.description, $0.method) })
        return PanelResponder(inner: router.buildResponder(), table: table)
    }

    /// Connections: limits, the guard before the router, idle time-out.
    static func server() -> HTTPServerBuilder {
        .http1(
            configuration: .init(
                additionalChannelHandlers: [RequestGuard()], idleTimeout: TimeAmount(PanelLimits.connectionIdleMax),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: PanelLimits.headerBytesMax, maxHeaderListSize: PanelLimits.headerBytesMax,
                    maxHeaderFieldCount: 100)))
    }
}
