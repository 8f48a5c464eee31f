// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird

/// Apps and their environments.
struct AppRoutes: Sendable {
    let apps: AppStore
    let deployments: DeploymentStore
    let repositories: Repositories
    let pushes: PushedBranches
    let upkeep: Upkeep
    let idempotency: Idempotency

    func add(to endpoints: Endpoints) {
        endpoints.on(.get, "organisations/{org}/apps", .readApp, in: OrganisationScope.self, list)
        endpoints.on(.post, "organisations/{org}/apps", .createApp, in: OrganisationScope.self, create)
        endpoints.on(.get, "apps/{org}/{app}", .readApp, in: AppScope.self, show)
        endpoints.on(.delete, "apps/{org}/{app}", .deleteApp, in: AppScope.self, delete)
        endpoints.on(
            .get, "apps/{org}/{app}/environments", .readApp, in: AppScope.self, listEnvironments)
        endpoints.on(
            .post, "apps/{org}/{app}/environments", .createEnvironment, in: AppScope.self, createEnvironment)
        endpoints.on(
            .get, "apps/{org}/{app}/environments/{env}", .readApp, in: EnvironmentScope.self, showEnvironment)
        endpoints.on(
            .delete, "apps/{org}/{app}/environments/{env}", .deleteEnvironment, in: EnvironmentScope.self,
            deleteEnvironment)
    }

    // MARK: Apps

    @Sendable func list(_ call: Call<OrganisationScope>) async throws -> Response {
        var answers: [AppAnswer] = []
        for app in try await apps.apps(of: call.scope.organisation) { answers.append(try await answer(app)) }
        return try Answer.json(answers)
    }

    @Sendable func create(_ call: Call<OrganisationScope>) async throws -> Response {
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let name = fields.slug("name")
        try fields.finish()
        let response = try await idempotency.perform(call, requestBody: body) { transaction in
            let (app, main) = try await apps.createApp(
                name: name, in: call.scope.organisation, transaction: transaction)
            let created = answer(app, environments: [answer(main, current: nil, latest: nil)])
            return Created(body: try Answer.encode(created), location: "/v1/apps/\(app.fullName)")
        }
        // Made again on demand if this fails: the app exists from its commit on.
        if let app = try await apps.apps(of: call.scope.organisation).first(where: { $0.name == name }) {
            try await repositories.ensure(app)
        }
        return response
    }

    @Sendable func show(_ call: Call<AppScope>) async throws -> Response {
        try Answer.json(try await answer(call.scope.app))
    }

    @Sendable func delete(_ call: Call<AppScope>) async throws -> Response {
        try await apps.deleteApp(call.scope.app)
        // What is left is taken up again at the next round.
        try? await upkeep.removeRepositories()
        return Answer.nothing
    }

    // MARK: Environments

    @Sendable func listEnvironments(_ call: Call<AppScope>) async throws -> Response {
        try Answer.json(try await answer(call.scope.app).environments)
    }

    @Sendable func createEnvironment(_ call: Call<AppScope>) async throws -> Response {
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let name = fields.slug("name")
        let branch = fields.optionalString("branch") ?? name
        if !ReferenceName.isBranch(branch) {
            fields.reject("branch", "is \"\(branch.prefix(60))\", expected the name of a Git branch")
        }
        try fields.finish()
        let response = try await idempotency.perform(call, requestBody: body) { transaction in
            let environment = try await apps.createEnvironment(
                name: name, branch: branch, of: call.scope.app, transaction: transaction)
            return Created(
                body: try Answer.encode(answer(environment, current: nil, latest: nil)),
                location: "/v1/apps/\(call.scope.app.fullName)/environments/\(name)")
        }
        // A branch that is there already is deployed as if it were pushed now.
        _ = try? await pushes.deploy(app: call.scope.app, by: call.user.id, logger: call.context.logger)
        return response
    }

    @Sendable func showEnvironment(_ call: Call<EnvironmentScope>) async throws -> Response {
        try Answer.json(try await answer(call.scope.environment))
    }

    @Sendable func deleteEnvironment(_ call: Call<EnvironmentScope>) async throws -> Response {
        try await apps.deleteEnvironment(call.scope.environment.id)
        return Answer.nothing
    }

    // MARK: Answers

    private func answer(_ app: App) async throws -> AppAnswer {
        var environments: [EnvironmentAnswer] = []
        for environment in try await apps.environments(of: app.id) {
            environments.append(try await answer(environment))
        }
        return answer(app, environments: environments)
    }

    private func answer(_ app: App, environments: [EnvironmentAnswer]) -> AppAnswer {
        AppAnswer(
            id: app.id, organisation: app.organisation, name: app.name,
            gitUrl: apps.configuration.gitURL(organisation: app.organisation, app: app.name),
            createdAt: app.createdAt, environments: environments)
    }

    private func answer(_ environment: AppEnvironment) async throws -> EnvironmentAnswer {
        let (current, latest) = try await deployments.currentAndLatest(of: environment)
        return answer(environment, current: current, latest: latest)
    }

    private func answer(
        _ environment: AppEnvironment, current: DeploymentAnswer?, latest: DeploymentAnswer?
    ) -> EnvironmentAnswer {
        EnvironmentAnswer(
            id: environment.id, name: environment.name, branch: environment.branch, hostname: environment.hostname,
            url: apps.configuration.url(ofHostname: environment.hostname), currentDeployment: current,
            latestDeployment: latest, createdAt: environment.createdAt)
    }
}
