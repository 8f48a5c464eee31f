// SPDX-License-Identifier: Apache-2.0
import Domain
import HTTPTypes
import Hummingbird
import Postgres

/// What a request made.
struct Created: Sendable {
    var status: HTTPResponse.Status = .created
    var body: String
    /// What a repetition is answered with, where `body` holds a secret.
    var repeatedBody: String?
    var location: String?
}

/// Makes requests safe to repeat: with the same `Idempotency-Key` within a day, the first answer is given
/// again and nothing is done. Effect and answer are stored in one transaction.
struct Idempotency: Sendable {
    let pool: PostgresPool
    let fingerprints: RequestFingerprints

    // The literals are valid header names.
    static let header = HTTPField.Name("Idempotency-Key") ?? .from
    static let replayed = HTTPField.Name("Idempotency-Replayed") ?? .from

    /// Runs `body` in a transaction, once per key.
    func perform<S: Scope>(
        _ call: Call<S>, requestBody: [UInt8], _ body: (PostgresConnection) async throws -> Created
    ) async throws -> Response {
        guard let key = call.request.headers[Self.header] else {
            let created = try await pool.withTransaction { try await body($0) }
            return response(created, isRepeated: false)
        }
        guard Self.isValid(key) else {
            throw Problem.malformed(
                "Idempotency-Key: expected 1 to \(PanelLimits.idempotencyKeyBytesMax) printable ASCII characters")
        }
        let hash = fingerprints.fingerprint(
            method: call.request.method, path: call.request.uri.string, body: requestBody)
        let user = call.user.id
        let (created, isRepeated) = try await pool.withTransaction { transaction -> (Created, Bool) in
            let lockName = "idempotency \(user) \(key)"
            let lock = try await transaction.query(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(\(lockName), 0)) AS mine")
            guard try lock.first?.bool("mine") == true else {
                throw Problem.conflict(
                    "in-progress", "a request with this Idempotency-Key is being carried out: try again in a moment")
            }
            if let known = try await find(key, of: user, hash: hash, in: transaction) { return (known, true) }
            let created = try await body(transaction)
            try await transaction.query(
                """
                INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, location)
                VALUES (\(user), \(key), \(Bytea(hash)), \(created.status.code),
                    \(created.repeatedBody ?? created.body), \(created.location))
                """)
            return (created, false)
        }
        return response(created, isRepeated: isRepeated)
    }

    private func find(
        _ key: String, of user: UserID, hash: [UInt8], in transaction: PostgresConnection
    ) async throws -> Created? {
        let oldest = Timestamp.now().advanced(by: .zero - PanelLimits.idempotencyKept)
        try await transaction.query(
            "DELETE FROM idempotency_keys WHERE user_id = \(user) AND key = \(key) AND created_at < \(oldest)")
        let rows = try await transaction.query(
            "SELECT * FROM idempotency_keys WHERE user_id = \(user) AND key = \(key)")
        guard let row = rows.first else { return nil }
        guard try row.bytes("request_hash") == hash else {
            throw Problem(
                status: .unprocessableContent, code: "idempotency-key-reused", title: "Idempotency-Key reused",
                detail: "this Idempotency-Key was used for another request: take a new one for each request")
        }
        return Created(
            status: HTTPResponse.Status(code: try row.int("status")), body: try row.string("body"),
            location: try row.optionalString("location"))
    }

    private func response(_ created: Created, isRepeated: Bool) -> Response {
        var headers: HTTPFields = [:]
        headers[.location] = created.location
        if isRepeated { headers[Self.replayed] = "true" }
        return Answer.json(text: created.body, status: created.status, headers: headers)
    }

    static func isValid(_ key: String) -> Bool {
        (1...PanelLimits.idempotencyKeyBytesMax).contains(key.utf8.count)
            && key.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
