// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Postgres

/// Decides who may read and write which repository, by the same permissions as the API.
struct GitAccess: Sendable {
    let pool: PostgresPool
    let accounts: AccountStore
    let cloneTokens: CloneTokens

    struct Grant: Sendable {
        let app: App
        /// `nil` for a builder.
        let user: UserID?
    }

    func grant(
        _ permission: Permission, organisation: String, app: String, request: Request
    ) async throws -> Grant {
        guard let header = request.headers[.authorization] else {
            throw GitRefusal.signIn("Sign in with any user name and a Slipway token as the password.")
        }
        guard let token = Credentials(authorization: header)?.token else {
            throw GitRefusal.signIn("The Authorization header cannot be understood.")
        }
        if token.hasPrefix(CloneTokens.prefix) {
            return try await grant(permission, organisation: organisation, app: app, cloneToken: token)
        }
        guard let secret = TokenSecret(token) else {
            throw GitRefusal.signIn("The password is no whole Slipway token: they begin with \(TokenSecret.prefix)")
        }
        let user: User
        switch try await accounts.holder(of: secret, now: .now()) {
        case .user(let holder): user = holder
        case .expired(let time): throw GitRefusal.signIn("The token expired at \(time): create a new one.")
        case .unknown: throw GitRefusal.signIn("The token is unknown or was revoked: create a new one.")
        }
        let scope: AppScope
        do {
            scope = try await AppScope.find(organisation: organisation, app: app, for: user, in: pool)
        } catch let problem as Problem where problem.status == .notFound {
            throw GitRefusal.noApp("\(organisation)/\(app)")
        }
        guard permission.isGranted(to: scope.role) else {
            throw GitRefusal(Problem.forbidden(permission, role: scope.role, organisation: organisation))
        }
        return Grant(app: scope.app, user: user.id)
    }

    /// A builder's token: it reads the one repository that it names.
    private func grant(
        _ permission: Permission, organisation: String, app: String, cloneToken: String
    ) async throws -> Grant {
        let rows = try await pool.query(
            """
            SELECT apps.*, organisations.name AS organisation_name FROM apps
            JOIN organisations ON organisations.id = apps.organisation
            WHERE organisations.name = \(organisation) AND apps.name = \(app)
            """)
        guard permission == .fetchCode, let row = rows.first else {
            throw GitRefusal.noApp("\(organisation)/\(app)")
        }
        let found = try App(row)
        guard cloneTokens.isValid(cloneToken, for: found.id, now: .now()) else {
            throw GitRefusal.signIn("The clone token has expired or is for another repository.")
        }
        return Grant(app: found, user: nil)
    }
}
