// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Postgres

/// What a service does with each event type it cares about. Types without a handler are passed over.
public struct EventHandlers: Sendable {
    typealias Handler = @Sendable (Record, PostgresConnection) async throws -> Void
    var handlers: [String: Handler] = [:]
    var tombstones: [String: Handler] = [:]

    public init() {}

    /// `body` runs in the transaction that also records the event as handled; it must have no other effect.
    ///
    /// What it throws is parked with the name of the error's type only, lest a value of the event shows, except
    /// `RejectedEvent` and the errors of bus and database, which are made to be read.
    public mutating func on<Payload: EventPayload>(
        _: Payload.Type, _ body: @escaping @Sendable (Event<Payload>, PostgresConnection) async throws -> Void
    ) {
        handlers[Payload.type] = { record, transaction in
            try await body(Event<Payload>(record), transaction)
        }
    }

    /// `body` is given the key that was removed from the state topic of `Payload`.
    public mutating func onTombstone<Payload: EventPayload>(
        _: Payload.Type, _ body: @escaping @Sendable (String, PostgresConnection) async throws -> Void
    ) {
        tombstones[Payload.topic.name] = { record, transaction in
            try await body(record.key, transaction)
        }
    }
}

/// Thrown by a handler that will never be able to handle this event: it is parked at once.
public struct RejectedEvent: Error, Sendable, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }

    /// - Parameter reason: is logged and shown to operators, so it must hold no secret.
    public init(_ reason: String) { self.reason = reason }
}

/// What may be said of an error in logs and dead letters: never a value of the event.
func safeDescription(of error: any Error) -> String {
    switch error {
    // Data exceptions quote the value that did not fit.
    case let error as PostgresError where error.sqlState?.hasPrefix("22") == true: "postgres \(error.sqlState ?? "")"
    case is PostgresError, is EventError, is BusError, is RejectedEvent: "\(error)"
    default: "the handler threw \(type(of: error))"
    }
}
