// SPDX-License-Identifier: Apache-2.0
import Domain
import Messaging
import Postgres

/// Users, organisations and tokens in the database.
struct AccountStore: Sendable {
    let pool: PostgresPool

    enum TokenFinding: Sendable {
        case user(User)
        case expired(Timestamp)
        case unknown
    }

    /// Who holds `secret`. Notes the use, at most once in `PanelLimits.tokenUseRecordedEvery`.
    func holder(of secret: TokenSecret, now: Timestamp) async throws -> TokenFinding {
        let rows = try await pool.query(
            """
            SELECT tokens.id AS token, tokens.expires_at, tokens.last_used_at, users.id, users.email, users.name,
                users.is_operator
            FROM tokens JOIN users ON users.id = tokens.user_id WHERE tokens.hash = \(Bytea(secret.hash))
            """)
        guard let row = rows.first else { return .unknown }
        if let expiresAt = try row.optionalTimestamp("expires_at"), expiresAt <= now { return .expired(expiresAt) }
        let lastUse = try row.optionalTimestamp("last_used_at")
        if lastUse.map({ now.since($0) > PanelLimits.tokenUseRecordedEvery }) ?? true {
            try await pool.query("UPDATE tokens SET last_used_at = \(now) WHERE id = \(row.string("token"))")
        }
        return .user(
            User(
                id: try row.id("id"), email: try row.string("email"), name: try row.string("name"),
                isOperator: try row.bool("is_operator")))
    }

    func memberships(of user: UserID) async throws -> [UserAnswer.Membership] {
        try await pool.query(
            """
            SELECT organisations.name, memberships.role FROM memberships
            JOIN organisations ON organisations.id = memberships.organisation
            WHERE memberships.user_id = \(user) ORDER BY organisations.name
            """
        ).map { UserAnswer.Membership(name: try $0.string("name"), role: try Role(row: $0)) }
    }

    // MARK: Tokens

    func tokens(of user: UserID) async throws -> [AccessToken] {
        try await pool.query(
            "SELECT * FROM tokens WHERE user_id = \(user) ORDER BY created_at, id LIMIT \(PanelLimits.tokensPerUserMax)"
        ).map(AccessToken.init)
    }

    func createToken(
        _ secret: TokenSecret, name: String, expiresAt: Timestamp?, for user: UserID,
        in transaction: PostgresConnection
    ) async throws -> AccessToken {
        let count = try await transaction.query("SELECT count(*) AS n FROM tokens WHERE user_id = \(user)")
        guard try count.first?.int("n") ?? 0 < PanelLimits.tokensPerUserMax else {
            throw Problem.limit("a user has at most \(PanelLimits.tokensPerUserMax) tokens: delete one first")
        }
        let id = TokenID.generate()
        let rows = try await transaction.query(
            """
            INSERT INTO tokens (id, user_id, name, hash, expires_at)
            VALUES (\(id), \(user), \(name), \(Bytea(secret.hash)), \(expiresAt)) RETURNING *
            """)
        guard let row = rows.first else { throw Problem.internalError() }
        return try AccessToken(row)
    }

    /// - Returns: whether the user had such a token.
    func deleteToken(_ id: TokenID, of user: UserID) async throws -> Bool {
        try await !pool.query("DELETE FROM tokens WHERE id = \(id) AND user_id = \(user) RETURNING id").isEmpty
    }

    // MARK: Organisations

    func organisations(of user: UserID) async throws -> [OrganisationAnswer] {
        try await pool.query(
            """
            SELECT organisations.*, memberships.role FROM memberships
            JOIN organisations ON organisations.id = memberships.organisation
            WHERE memberships.user_id = \(user) ORDER BY organisations.name
            """
        ).map {
            OrganisationAnswer(
                id: try $0.id("id"), name: try $0.string("name"), role: try Role(row: $0),
                createdAt: try $0.timestamp("created_at"))
        }
    }

    /// The creator becomes its owner.
    func createOrganisation(
        name: String, owner: UserID, in transaction: PostgresConnection
    ) async throws -> OrganisationAnswer {
        let count = try await transaction.query("SELECT count(*) AS n FROM memberships WHERE user_id = \(owner)")
        guard try count.first?.int("n") ?? 0 < PanelLimits.organisationsPerUserMax else {
            throw Problem.limit("a user is in at most \(PanelLimits.organisationsPerUserMax) organisations")
        }
        let id = OrganisationID.generate()
        let rows = try await transaction.query(
            """
            INSERT INTO organisations (id, name) VALUES (\(id), \(name)) ON CONFLICT DO NOTHING RETURNING created_at
            """)
        guard let row = rows.first else {
            throw Problem.taken("name", "an organisation named \(name) exists already: choose another name")
        }
        try await transaction.query(
            "INSERT INTO memberships (user_id, organisation, role) VALUES (\(owner), \(id), \(Role.owner.rawValue))")
        return OrganisationAnswer(id: id, name: name, role: .owner, createdAt: try row.timestamp("created_at"))
    }

    // MARK: First user

    /// Creates user and organisation where they are missing, makes the user its owner where it is not a member, and
    /// gives a new token. A user who is an operator stays one.
    func createUser(
        email: String, organisation: String, tokenName: String, isOperator: Bool = false
    ) async throws -> TokenSecret {
        let secret = TokenSecret.generate()
        try await pool.withTransaction { transaction in
            let name = String(email.prefix { $0 != "@" })
            try await transaction.query(
                """
                INSERT INTO users (id, email, name) VALUES (\(UserID.generate()), \(email), \(name))
                ON CONFLICT (lower(email)) DO NOTHING
                """)
            try await transaction.query(
                """
                INSERT INTO organisations (id, name) VALUES (\(OrganisationID.generate()), \(organisation))
                ON CONFLICT DO NOTHING
                """)
            let rows = try await transaction.query("SELECT id FROM users WHERE lower(email) = lower(\(email))")
            guard let user: UserID = try rows.first?.id("id") else { throw Problem.internalError() }
            if isOperator {
                try await transaction.query("UPDATE users SET is_operator = true WHERE id = \(user)")
            }
            try await transaction.query(
                """
                INSERT INTO memberships (user_id, organisation, role)
                SELECT \(user), id, \(Role.owner.rawValue) FROM organisations WHERE name = \(organisation)
                ON CONFLICT DO NOTHING
                """)
            _ = try await createToken(secret, name: tokenName, expiresAt: nil, for: user, in: transaction)
        }
        return secret
    }
}

extension Role {
    init(row: Row) throws {
        let text = try row.string("role")
        guard let role = Role(rawValue: text) else { throw PostgresError(.decode, "unknown role \(text)") }
        self = role
    }
}
