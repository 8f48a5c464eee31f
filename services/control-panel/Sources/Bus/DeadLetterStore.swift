// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres

enum DeadLetterStatus: String, Codable, Sendable, CaseIterable {
    case parked, replayed, discarded
}

/// What consumers could not handle, and what operators decided about it.
struct DeadLetterStore: Sendable {
    let pool: PostgresPool
    let outbox: Outbox

    // MARK: Learning

    /// Notes a letter. Whatever it holds, noting it cannot fail: it would become a letter itself.
    static func park(_ event: Event<DeadLetter>, in transaction: PostgresConnection) async throws {
        let letter = event.data
        try await transaction.query(
            """
            INSERT INTO dead_letters
                (id, consumer, topic, partition, "offset", record_key, event_id, type, cause, value_omitted, letter,
                parked_at)
            VALUES (\(clean(event.id.rawValue)), \(clean(letter.consumer)), \(clean(letter.topic)),
                \(Int(Int32(clamping: letter.partition))), \(letter.offset), \(clean(letter.recordKey)),
                \(letter.headers["ce_id"].map(clean)), \(letter.headers["ce_type"].map(clean)),
                \(clean(letter.cause)), \(letter.valueOmitted), \(try Answer.encode(letter)), \(event.time))
            ON CONFLICT DO NOTHING
            """)
    }

    /// Postgres keeps no NUL in texts. The letter itself is kept whole, as JSON.
    private static func clean(_ text: String) -> String {
        let text = text.utf8.contains(0) ? text.replacing("\0", with: "\u{fffd}") : text
        guard text.utf8.count > PanelLimits.deadLetterTextBytesMax else { return text }
        return String(decoding: text.utf8.prefix(PanelLimits.deadLetterTextBytesMax), as: UTF8.self) + " […]"
    }

    // MARK: Reading

    /// Latest first.
    func list(
        consumer: String?, status: DeadLetterStatus?, before id: String?, limit: Int, now: Timestamp = .now()
    ) async throws -> [DeadLetterAnswer] {
        try await pool.query(
            """
            SELECT id, consumer, topic, partition, "offset", record_key, event_id, type, cause, value_omitted,
                parked_at, status, decided_at, decided_by_email
            FROM dead_letter_details
            WHERE (\(consumer)::text IS NULL OR consumer = \(consumer))
                AND (\(status?.rawValue)::text IS NULL OR status = \(status?.rawValue))
                AND (\(id)::text IS NULL OR id < \(id))
            ORDER BY id DESC LIMIT \(limit)
            """
        ).map { try DeadLetterAnswer($0, now: now) }
    }

    func find(_ id: EventID, now: Timestamp = .now()) async throws -> DeadLetterDetail {
        let rows = try await pool.query("SELECT * FROM dead_letter_details WHERE id = \(id)")
        guard let row = rows.first else { throw Problem.notFound("dead letter \(id)") }
        return DeadLetterDetail(answer: try DeadLetterAnswer(row, now: now), letter: try Self.letter(row))
    }

    private static func letter(_ row: Row) throws -> DeadLetter {
        try JSONDecoder().decode(DeadLetter.self, from: Data(row.string("letter").utf8))
    }

    // MARK: Deciding

    /// Asks the consumer to handle the record again. Call `outbox.wake()` once the transaction has committed.
    func replay(
        _ id: EventID, by user: UserID, now: Timestamp = .now(), in transaction: PostgresConnection
    ) async throws -> DeadLetterAnswer {
        let (letter, parkedAt) = try await undecided(id, in: transaction)
        guard !Self.isTooOldToReplay(parkedAt: parkedAt, now: now) else {
            throw Problem.conflict(
                "too-old-to-replay",
                "the record was parked more than \(EventConsumer.replayable.components.seconds / 86_400) days ago, and "
                    + "its consumer does not remember it for longer: repeat what caused it, then discard the letter")
        }
        guard !letter.valueOmitted else {
            throw Problem.conflict(
                "value-not-kept",
                "the record's value was too large to be kept with the letter, or no text, so it cannot be replayed: "
                    + "repeat what caused it, then discard the letter")
        }
        try await outbox.append(
            DeadLetterReplayRequested(
                letter: id.rawValue, consumer: letter.consumer, topic: letter.topic, partition: letter.partition,
                offset: letter.offset, recordKey: letter.recordKey, headers: letter.headers, value: letter.value),
            in: transaction)
        return try await decide(.replayed, id, by: user, in: transaction)
    }

    /// Its consumer may have forgotten it, and would do nothing when asked.
    static func isTooOldToReplay(parkedAt: Timestamp, now: Timestamp) -> Bool {
        now.since(parkedAt) > EventConsumer.replayable
    }

    func discard(
        _ id: EventID, by user: UserID, in transaction: PostgresConnection
    ) async throws -> DeadLetterAnswer {
        _ = try await undecided(id, in: transaction)
        return try await decide(.discarded, id, by: user, in: transaction)
    }

    /// The letter and when it was parked, locked until the transaction ends: one of two operators decides.
    private func undecided(_ id: EventID, in transaction: PostgresConnection) async throws -> (DeadLetter, Timestamp) {
        let rows = try await transaction.query(
            "SELECT status, letter, parked_at FROM dead_letters WHERE id = \(id) FOR UPDATE")
        guard let row = rows.first else { throw Problem.notFound("dead letter \(id)") }
        switch try DeadLetterStatus(row: row) {
        case .parked: return (try Self.letter(row), try row.timestamp("parked_at"))
        case .replayed:
            throw Problem.conflict(
                "already-replayed",
                "the letter was replayed already; where the record failed again, there is a new letter about it")
        case .discarded: throw Problem.conflict("already-discarded", "the letter was discarded already")
        }
    }

    private func decide(
        _ status: DeadLetterStatus, _ id: EventID, by user: UserID, in transaction: PostgresConnection
    ) async throws -> DeadLetterAnswer {
        try await transaction.query(
            """
            UPDATE dead_letters SET status = \(status.rawValue), decided_at = now(), decided_by = \(user)
            WHERE id = \(id)
            """)
        let rows = try await transaction.query("SELECT * FROM dead_letter_details WHERE id = \(id)")
        guard let row = rows.first else { throw Problem.notFound("dead letter \(id)") }
        return try DeadLetterAnswer(row, now: .now())
    }

    // MARK: Upkeep

    /// Forgets letters that were decided on long ago, and the oldest over the limit.
    ///
    /// - Returns: how many of those were not decided on.
    func purge(now: Timestamp, max: Int = PanelLimits.deadLettersMax) async throws -> Int {
        let oldest = now.advanced(by: .zero - PanelLimits.deadLettersKept)
        try await pool.query("DELETE FROM dead_letters WHERE status <> 'parked' AND decided_at < \(oldest)")
        return try await pool.query(
            """
            DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters ORDER BY id DESC OFFSET \(max))
            RETURNING status
            """
        ).count { try $0.string("status") == DeadLetterStatus.parked.rawValue }
    }
}
