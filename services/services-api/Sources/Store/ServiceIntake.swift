// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres
import Secrets

/// What the services API writes down of each event.
enum ServiceIntake {
    static let topics: [Topic] = [.services]

    static func handlers(_ outbox: Outbox) -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(ServiceRequested.self) { event, transaction in
            try await request(event.data, outbox, transaction)
        }
        handlers.on(ServiceRemovalRequested.self) { event, transaction in
            let rows = try await transaction.query(
                """
                UPDATE service_instances SET state = 'removing', reason = NULL, attempt = 0, retry_at = now(),
                    requested_at = now(), changed_at = now(), traceparent = \(TraceContext.current?.traceparent)
                WHERE id = \(event.data.service) AND state <> 'removed'
                RETURNING id
                """)
            // What never was or is gone already counts as removed.
            if rows.isEmpty { try await outbox.append(ServiceRemoved(service: event.data.service), in: transaction) }
        }
        return handlers
    }

    private static func request(
        _ wanted: ServiceRequested, _ outbox: Outbox, _ transaction: PostgresConnection
    ) async throws {
        guard let name = databaseName(of: wanted.service) else {
            throw RejectedEvent("the service's id \(wanted.service) is malformed")
        }
        let traceparent = TraceContext.current?.traceparent
        let inserted = try await transaction.query(
            """
            INSERT INTO service_instances (
                id, environment, organisation, app, name, kind, version, database, role, traceparent)
            VALUES (\(wanted.service), \(wanted.environment), \(wanted.organisation), \(wanted.app), \(wanted.name),
                \(wanted.spec.kind.rawValue), \(wanted.spec.version), \(name), \(name), \(traceparent))
            ON CONFLICT DO NOTHING RETURNING id
            """)
        guard inserted.isEmpty else { return }
        let rows = try await transaction.query(
            "SELECT state, url FROM service_instances WHERE id = \(wanted.service) FOR UPDATE")
        guard let row = rows.first else { return }
        switch try row.string("state") {
        case "provisioned":
            let url = try JSONDecoder().decode(Sealed.self, from: Data(row.string("url").utf8))
            try await outbox.append(
                ServiceProvisioned(service: wanted.service, environment: wanted.environment, url: url), in: transaction)
        case "failed":
            try await transaction.query(
                """
                UPDATE service_instances SET state = 'requested', version = \(wanted.spec.version), reason = NULL,
                    attempt = 0, retry_at = now(), requested_at = now(), changed_at = now(),
                    traceparent = \(traceparent)
                WHERE id = \(wanted.service)
                """)
        case "removing", "removed":
            try await outbox.append(
                ServiceFailed(
                    service: wanted.service, environment: wanted.environment,
                    reason: "The service \(wanted.name) was removed together with its data: it cannot be used again."),
                in: transaction)
        default:
            // It is being provisioned.
            break
        }
    }

    /// `s_` and the part of the id that is unique: the name of database and role, valid without quotes.
    static func databaseName(of service: ServiceInstanceID) -> String? {
        let parts = service.rawValue.split(separator: "_", maxSplits: 1)
        guard parts.count == 2, parts[1].utf8.count <= 40,
            parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        else { return nil }
        return "s_" + parts[1]
    }
}
