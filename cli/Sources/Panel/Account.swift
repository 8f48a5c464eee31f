// SPDX-License-Identifier: Apache-2.0
import Domain

struct User: Decodable, Sendable {
    struct Membership: Decodable, Sendable {
        var name: String
        var role: String?
    }

    var id: String
    var email: String
    var name: String?
    var isOperator: Bool?
    var organisations: [Membership]
}

struct Organisation: Decodable, Sendable {
    var name: String
    var role: String?
    var createdAt: Timestamp?
}

struct AccessToken: Decodable, Sendable {
    var id: String
    var name: String
    /// There once, in the answer that creates it.
    var token: String?
    var createdAt: Timestamp?
    var expiresAt: Timestamp?
    var lastUsedAt: Timestamp?
}

struct NewOrganisation: Encodable {
    var name: String
}

struct NewToken: Encodable {
    var name: String
    var expiresInDays: Int?
}
