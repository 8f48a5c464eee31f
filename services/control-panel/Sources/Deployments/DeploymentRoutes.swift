// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Hummingbird
import Messaging
import Postgres

/// The deployments of an environment.
struct DeploymentRoutes: Sendable {
    let deployments: Deployments
    let store: DeploymentStore
    let outbox: Outbox
    let idempotency: Idempotency

    func add(to endpoints: Endpoints) {
        let base: RouterPath = "apps/{org}/{app}/environments/{env}/deployments"
        endpoints.on(.get, base, .readDeployments, in: EnvironmentScope.self, list)
        endpoints.on(.post, base, .deploy, in: EnvironmentScope.self, create)
        endpoints.on(.get, base.appendingPath("{id}"), .readDeployments, in: DeploymentScope.self, show)
        endpoints.on(.post, base.appendingPath("{id}/cancel"), .cancelDeployment, in: DeploymentScope.self, cancel)
    }

    @Sendable func list(_ call: Call<EnvironmentScope>) async throws -> Response {
        let limit = try call.number("limit", default: PanelLimits.listDefault, in: 1...PanelLimits.listMax)
        let before = try call.number("before", default: Int(Int32.max), in: 1...Int(Int32.max))
        return try Answer.json(
            try await store.list(of: call.scope.environment.id, before: before, limit: limit))
    }

    @Sendable func show(_ call: Call<DeploymentScope>) async throws -> Response {
        try Answer.json(try await store.answer(call.scope.deployment))
    }

    @Sendable func create(_ call: Call<EnvironmentScope>) async throws -> Response {
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let order = Self.order(&fields)
        try fields.finish()
        let scope = call.scope
        let response = try await idempotency.perform(call, requestBody: body) { transaction in
            let id = try await deployments.create(
                order, in: scope.environment.id, by: call.user.id, transaction: transaction)
            let answer = try await store.answer(id, on: transaction)
            return Created(
                status: .accepted, body: try Answer.encode(answer),
                location: "/v1/apps/\(scope.app.fullName)/environments/\(scope.environment.name)/deployments/\(id)")
        }
        outbox.wake()
        return response
    }

    /// `{kind: "redeploy"}`, `{kind: "rollback", to?}` or `{commit?}`.
    static func order(_ fields: inout JSONFields) -> Deployments.Order {
        let kind = fields.optionalString("kind")
        let commit = fields.optionalString("commit")
        let wanted = target(&fields)
        if let commit, !ReferenceName.isCommit(commit) {
            fields.reject("commit", "expected 7 to 64 hexadecimal digits")
        }
        if kind != nil, commit != nil { fields.reject("commit", "goes without kind") }
        if kind != "rollback", wanted != nil { fields.reject("to", "goes with the kind rollback only") }
        switch kind {
        case nil: return .commit(commit)
        case "redeploy": return .redeploy
        case "rollback": return .rollback(wanted)
        case let other?:
            fields.reject("kind", "is \"\(other.prefix(60))\", expected redeploy or rollback")
            return .redeploy
        }
    }

    private static func target(_ fields: inout JSONFields) -> Deployments.RollbackTarget? {
        switch fields.value("to") {
        case nil: return nil
        case .string(let text)?: return Int32(text).map { .number(Int($0)) } ?? .id(DeploymentID(text))
        case .number(let text)?:
            if let number = Int32(text) { return .number(Int(number)) }
            fields.reject("to", "expected a deployment's number or id")
            return nil
        case let other?:
            fields.reject("to", "is \(other.kind), expected a deployment's number or id")
            return nil
        }
    }

    @Sendable func cancel(_ call: Call<DeploymentScope>) async throws -> Response {
        let scope = call.scope
        let answer = try await store.pool.withTransaction { transaction in
            let rows = try await transaction.query(
                "SELECT state FROM deployments WHERE id = \(scope.deployment) FOR UPDATE")
            guard let state = try rows.first.flatMap({ DeploymentState(rawValue: try $0.string("state")) }) else {
                throw Problem.notFound("deployment \(scope.deployment)")
            }
            guard !state.isFinal else {
                throw Problem.conflict("already-finished", "the deployment has \(state.rawValue) already")
            }
            try await outbox.append(
                DeploymentCancelRequested(deployment: scope.deployment, environment: scope.environment.id),
                in: transaction)
            return try await store.answer(scope.deployment, on: transaction)
        }
        outbox.wake()
        return try Answer.json(answer, status: .accepted)
    }
}
