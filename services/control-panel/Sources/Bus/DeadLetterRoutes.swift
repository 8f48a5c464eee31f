// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Messaging
import Postgres

/// What consumers could not handle, for operators.
struct DeadLetterRoutes: Sendable {
    let letters: DeadLetterStore
    let outbox: Outbox
    let idempotency: Idempotency

    func add(to endpoints: Endpoints) {
        let base: RouterPath = "bus/dead-letters"
        endpoints.on(.get, base, .readBus, in: InstallationScope.self, list)
        endpoints.on(.get, base.appendingPath("{id}"), .readBus, in: InstallationScope.self, show)
        endpoints.on(
            .post, base.appendingPath("{id}/replay"), .decideDeadLetters, in: InstallationScope.self, replay)
        endpoints.on(
            .post, base.appendingPath("{id}/discard"), .decideDeadLetters, in: InstallationScope.self, discard)
    }

    @Sendable func list(_ call: Call<InstallationScope>) async throws -> Response {
        let limit = try call.number(
            "limit", default: PanelLimits.deadLettersDefault, in: 1...PanelLimits.deadLettersPageMax)
        return try Answer.json(
            try await letters.list(
                consumer: call.query("consumer"), status: try Self.status(call.query("status")),
                before: call.query("before"), limit: limit))
    }

    static func status(_ text: String?) throws -> DeadLetterStatus? {
        guard let text else { return nil }
        guard let status = DeadLetterStatus(rawValue: text) else {
            let known = DeadLetterStatus.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem.invalid([
                .init(field: "status", message: "is \"\(text.prefix(40))\", expected one of \(known)")
            ])
        }
        return status
    }

    @Sendable func show(_ call: Call<InstallationScope>) async throws -> Response {
        try Answer.json(try await letters.find(try Self.id(call)))
    }

    @Sendable func replay(_ call: Call<InstallationScope>) async throws -> Response {
        let id = try Self.id(call)
        let response = try await decide(call) { transaction in
            let answer = try await letters.replay(id, by: call.user.id, in: transaction)
            return Created(status: .accepted, body: try Answer.encode(answer))
        }
        outbox.wake()
        return response
    }

    @Sendable func discard(_ call: Call<InstallationScope>) async throws -> Response {
        let id = try Self.id(call)
        return try await decide(call) { transaction in
            let answer = try await letters.discard(id, by: call.user.id, in: transaction)
            return Created(status: .ok, body: try Answer.encode(answer))
        }
    }

    /// Nothing goes with a decision, so that a body with anything in it is a mistake.
    private func decide(
        _ call: Call<InstallationScope>, _ body: (PostgresConnection) async throws -> Created
    ) async throws -> Response {
        let requestBody = try await call.body()
        var fields = try JSONFields(body: requestBody)
        try fields.finish()
        return try await idempotency.perform(call, requestBody: requestBody, body)
    }

    private static func id(_ call: Call<InstallationScope>) throws -> EventID { EventID(try call.parameter("id")) }
}
