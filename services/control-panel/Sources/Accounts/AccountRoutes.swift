// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird

/// The caller's account, tokens and organisations.
struct AccountRoutes: Sendable {
    let accounts: AccountStore
    let idempotency: Idempotency

    func add(to endpoints: Endpoints) {
        endpoints.on(.get, "user", .readAccount, in: AccountScope.self, showUser)
        endpoints.on(.get, "tokens", .manageTokens, in: AccountScope.self, listTokens)
        endpoints.on(.post, "tokens", .manageTokens, in: AccountScope.self, createToken)
        endpoints.on(.delete, "tokens/{id}", .manageTokens, in: AccountScope.self, deleteToken)
        endpoints.on(.get, "organisations", .readAccount, in: AccountScope.self, listOrganisations)
        endpoints.on(.post, "organisations", .createOrganisation, in: AccountScope.self, createOrganisation)
        endpoints.on(.get, "organisations/{org}", .readOrganisation, in: OrganisationScope.self, showOrganisation)
    }

    @Sendable func showUser(_ call: Call<AccountScope>) async throws -> Response {
        let user = call.user
        return try Answer.json(
            UserAnswer(
                id: user.id, email: user.email, name: user.name, isOperator: user.isOperator,
                organisations: try await accounts.memberships(of: user.id)))
    }

    // MARK: Tokens

    @Sendable func listTokens(_ call: Call<AccountScope>) async throws -> Response {
        try Answer.json(try await accounts.tokens(of: call.user.id).map(TokenAnswer.init))
    }

    @Sendable func createToken(_ call: Call<AccountScope>) async throws -> Response {
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let name = fields.label("name")
        let days = fields.optionalInt("expiresInDays", in: 1...PanelLimits.tokenDaysMax)
        try fields.finish()
        let expiresAt = days.map { Timestamp.now().advanced(by: .seconds($0 * 86_400)) }
        return try await idempotency.perform(call, requestBody: body) { transaction in
            let secret = TokenSecret.generate()
            let token = try await accounts.createToken(
                secret, name: name, expiresAt: expiresAt, for: call.user.id, in: transaction)
            func answer(_ text: String?) throws -> String {
                try Answer.encode(
                    NewTokenAnswer(id: token.id, name: token.name, token: text, expiresAt: token.expiresAt))
            }
            return Created(
                body: try answer(secret.text), repeatedBody: try answer(nil), location: "/v1/tokens/\(token.id)")
        }
    }

    @Sendable func deleteToken(_ call: Call<AccountScope>) async throws -> Response {
        let id = TokenID(try call.parameter("id"))
        guard try await accounts.deleteToken(id, of: call.user.id) else { throw Problem.notFound("token \(id)") }
        return Answer.nothing
    }

    // MARK: Organisations

    @Sendable func listOrganisations(_ call: Call<AccountScope>) async throws -> Response {
        try Answer.json(try await accounts.organisations(of: call.user.id))
    }

    @Sendable func createOrganisation(_ call: Call<AccountScope>) async throws -> Response {
        let body = try await call.body()
        var fields = try JSONFields(body: body)
        let name = fields.slug("name")
        try fields.finish()
        return try await idempotency.perform(call, requestBody: body) { transaction in
            let answer = try await accounts.createOrganisation(
                name: name, owner: call.user.id, in: transaction)
            return Created(body: try Answer.encode(answer), location: "/v1/organisations/\(answer.name)")
        }
    }

    @Sendable func showOrganisation(_ call: Call<OrganisationScope>) async throws -> Response {
        guard let role = call.scope.role else { throw Problem.internalError() }
        let organisation = call.scope.organisation
        return try Answer.json(
            OrganisationAnswer(
                id: organisation.id, name: organisation.name, role: role, createdAt: organisation.createdAt))
    }
}
