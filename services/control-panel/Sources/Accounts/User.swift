// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres

struct User: Sendable, Hashable {
    let id: UserID
    let email: String
    let name: String
    /// May look into the installation as a whole: its bus and its dead letters.
    let isOperator: Bool
}

struct Organisation: Sendable, Hashable {
    let id: OrganisationID
    let name: String
    let createdAt: Timestamp
}

struct AccessToken: Sendable {
    let id: TokenID
    let name: String
    let createdAt: Timestamp
    let expiresAt: Timestamp?
    let lastUsedAt: Timestamp?
}

extension AccessToken {
    init(_ row: Row) throws {
        id = try row.id("id")
        name = try row.string("name")
        createdAt = try row.timestamp("created_at")
        expiresAt = try row.optionalTimestamp("expires_at")
        lastUsedAt = try row.optionalTimestamp("last_used_at")
    }
}

// MARK: As the API shows them

struct UserAnswer: Encodable, Sendable {
    struct Membership: Encodable, Sendable {
        var name: String
        var role: Role
    }

    var id: UserID
    var email: String
    var name: String
    var isOperator: Bool
    var organisations: [Membership]
}

struct OrganisationAnswer: Encodable, Sendable {
    var id: OrganisationID
    var name: String
    var role: Role
    var createdAt: Timestamp
}

struct TokenAnswer: Encodable, Sendable {
    var id: TokenID
    var name: String
    var createdAt: Timestamp
    @Nullable var expiresAt: Timestamp?
    @Nullable var lastUsedAt: Timestamp?

    init(_ token: AccessToken) {
        id = token.id
        name = token.name
        createdAt = token.createdAt
        _expiresAt = Nullable(wrappedValue: token.expiresAt)
        _lastUsedAt = Nullable(wrappedValue: token.lastUsedAt)
    }
}

/// The one answer that holds a token's text.
struct NewTokenAnswer: Encodable, Sendable {
    var id: TokenID
    var name: String
    /// `null` when an `Idempotency-Key` repeats the answer: the text is not kept anywhere.
    @Nullable var token: String?
    @Nullable var expiresAt: Timestamp?
}
