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
    let idempotency: Idempotency

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
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let change = VariableChange.read(&fields)
        let deploy = fields.bool("deploy", default: try call.flag("deploy"))
        try fields.finish()
        return try await apply(change, deploy: deploy, call, body: body)
    }

    @Sendable func set(_ call: Call<EnvironmentScope>) async throws -> Response {
        let name = try call.parameter("name")
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        if let problem = VariableRules.problem(withName: name) { fields.reject("name", problem) }
        let setting = VariableChange.setting(&fields)
        let deploy = fields.bool("deploy", default: try call.flag("deploy"))
        try fields.finish()
        return try await apply(VariableChange(set: [name: setting]), deploy: deploy, call, body: body)
    }

    @Sendable func unset(_ call: Call<EnvironmentScope>) async throws -> Response {
        let name = try call.parameter("name")
        return try await apply(
            VariableChange(unset: [name]), deploy: try call.flag("deploy"), call, body: [], mustExist: true)
    }

    /// Repeatable by key: a secret that is set again and a deployment that is asked for again would be another change.
    private func apply(
        _ change: VariableChange, deploy: Bool, _ call: Call<EnvironmentScope>, body: [UInt8], mustExist: Bool = false
    ) async throws -> Response {
        let environment = call.scope.environment
        let response = try await idempotency.perform(call, requestBody: body) { transaction in
            let isChanged = try await variables.apply(change, to: environment.id, in: transaction)
            if mustExist, !isChanged { throw Problem.notFound("such variable in \(environment.name)") }
            var answer = ChangeAnswer(
                variables: try await variables.list(of: environment.id, on: transaction), deployment: nil)
            if deploy, isChanged, environment.currentDeployment != nil {
                let deployment = try await deployments.create(
                    .variables, in: environment.id, by: call.user.id, transaction: transaction)
                answer.deployment = try await store.answer(deployment, on: transaction)
            }
            return Created(status: .ok, body: try Answer.encode(answer))
        }
        outbox.wake()
        return response
    }
}
