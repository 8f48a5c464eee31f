// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Postgres

/// What a group has seen, remembered in the transaction that acts on it. Rows are named `group/topic`.
///
/// A record that is parked leaves a second row, under the topic of dead letters, that a replay takes away: a record
/// is replayed once, however often that is asked for. For a state record the row stands for "the latest value of
/// this key is parked": a newer value takes it away, so that a replay cannot bring back the older one.
struct Inbox: Sendable {
    let group: String

    /// Keys are part of an index row, whose size is limited. Cut keys share a row, which can only refuse a replay.
    static let keyBytesMax = 512

    /// - Returns: whether `id` is new on `topic`.
    func isFirst(_ id: String, on topic: String, in transaction: PostgresConnection) async throws -> Bool {
        try await insert("\(group)/\(topic)", id, transaction)
    }

    /// - Returns: whether the record was not parked before.
    func markParked(
        _ id: String, _ record: Record, _ kind: Topic.Kind, in transaction: PostgresConnection
    ) async throws -> Bool {
        try await insert(parked(record, kind), id, transaction)
    }

    /// - Returns: whether the record was parked and nothing newer of its key was handled since.
    func unpark(
        _ id: String, _ record: Record, _ kind: Topic.Kind, in transaction: PostgresConnection
    ) async throws -> Bool {
        try await !transaction.query(
            "DELETE FROM inbox WHERE consumer = \(parked(record, kind)) AND event_id = \(id) RETURNING 1 AS ok"
        ).isEmpty
    }

    /// A state record came: what is parked of its key is not the latest value any more.
    func supersedeParked(by id: String, _ record: Record, in transaction: PostgresConnection) async throws {
        try await transaction.query(
            "DELETE FROM inbox WHERE consumer = \(parked(record, .state)) AND event_id <> \(id)")
    }

    private func insert(_ name: String, _ id: String, _ transaction: PostgresConnection) async throws -> Bool {
        try await !transaction.query(
            "INSERT INTO inbox (consumer, event_id) VALUES (\(name), \(id)) ON CONFLICT DO NOTHING RETURNING 1 AS ok"
        ).isEmpty
    }

    private func parked(_ record: Record, _ kind: Topic.Kind) -> String {
        let name = "\(group)/\(Topic.deadLetters.name)/\(record.topic)"
        return switch kind {
        case .event: name
        case .state: "\(name)/\(String(decoding: record.key.utf8.prefix(Self.keyBytesMax), as: UTF8.self))"
        }
    }
}
