// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Messaging
import Postgres

/// The variables of an environment.
struct VariableRoutes: Sendable {
    let variables: VariableStore
    let deployments: Deployments
    let store: DeploymentStore
    let outbox: Outbox

    struct ChangeAnswer: Encodable, Sendable {
        var variables: [VariableAnswer]
        /// The deployment that makes the change take effect, where one was asked for and there is a release.
        @Nullable var deployment: DeploymentAnswer?
    }

    func add(to endpoints: Endpoints) {
        let base: RouterPath = "apps/{org}/{app}/environments/{env}/variables"
        let one = base.appendingPath("{name}")
        endpoints.on(.get, base, .readVariables, in: EnvironmentScope.self, list)
        endpoints.on(.patch, base, .changeVariables, in: EnvironmentScope.self, change)
        endpoints.on(.put, one, .changeVariables, in: EnvironmentScope.self, set)
        endpoints.on(.delete, one, .changeVariables, in: EnvironmentScope.self, unset)
    }

    @Sendable func list(_ call: Call<EnvironmentScope>) async throws -> Response {
        let id = call.scope.environment.id
        return try Answer.json(
            try await variables.pool.withConnection { try await variables.list(of: id, on: $0) })
    }

    @Sendable func change(_ call: Call<EnvironmentScope>) async throws -> Response {
        var fields = try JSONFields(body: try await call.body())
        let change = VariableChange.read(&fields)
        let deploy = fields.bool("deploy", default: try call.flag("deploy"))
        try fields.finish()
        return try await apply(change, deploy: deploy, call)
    }

    @Sendable func set(_ call: Call<EnvironmentScope>) async throws -> Response {
        let name = try call.parameter("name")
        var fields = try JSONFields(body: try await call.body())
        if let problem = VariableRules.problem(withName: name) { fields.reject("name", problem) }
        let setting = VariableChange.setting(&fields)
        let deploy = fields.bool("deploy", default: try call.flag("deploy"))
        try fields.finish()
        return try await apply(VariableChange(set: [name: setting]), deploy: deploy, call)
    }

    @Sendable func unset(_ call: Call<EnvironmentScope>) async throws -> Response {
        let name = try call.parameter("name")
        return try await apply(VariableChange(unset: [name]), deploy: try call.flag("deploy"), call, mustExist: true)
    }

    private func apply(
        _ change: VariableChange, deploy: Bool, _ call: Call<EnvironmentScope>, mustExist: Bool = false
    ) async throws -> Response {
        let environment = call.scope.environment
        let (after, deployment) = try await variables.pool.withTransaction {
            transaction -> ([VariableAnswer], DeploymentID?) in
            let isChanged = try await variables.apply(change, to: environment.id, in: transaction)
            if mustExist, !isChanged { throw Problem.notFound("such variable in \(environment.name)") }
            let after = try await variables.list(of: environment.id, on: transaction)
            guard deploy, isChanged, environment.currentDeployment != nil else { return (after, nil) }
            let deployment = try await deployments.create(
                .variables, in: environment.id, by: call.user.id, transaction: transaction)
            return (after, deployment)
        }
        outbox.wake()
        var answer = ChangeAnswer(variables: after, deployment: nil)
        if let deployment { answer.deployment = try await store.answer(deployment) }
        return try Answer.json(answer)
    }
}
