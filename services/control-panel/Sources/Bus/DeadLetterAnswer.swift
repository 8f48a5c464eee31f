// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

/// A dead letter as lists show it.
struct DeadLetterAnswer: Encodable, Sendable {
    var id: EventID
    var consumer: String
    var topic: String
    var partition: Int
    var offset: Int64
    var recordKey: String
    /// Of the record's event; `null` where the record has no such header.
    @Nullable var eventId: String?
    @Nullable var type: String?
    var cause: String
    var status: DeadLetterStatus
    /// It is parked, its record's value was kept and its consumer still remembers it.
    var canReplay: Bool
    var parkedAt: Timestamp
    @Nullable var decidedAt: Timestamp?
    /// E-mail address; `null` when nobody has decided or the user is gone.
    @Nullable var decidedBy: String?

    /// - Parameter row: of `dead_letter_details`.
    init(_ row: Row, now: Timestamp) throws {
        id = try row.id("id")
        consumer = try row.string("consumer")
        topic = try row.string("topic")
        partition = try row.int("partition")
        offset = try row.int64("offset")
        recordKey = try row.string("record_key")
        _eventId = Nullable(wrappedValue: try row.optionalString("event_id"))
        _type = Nullable(wrappedValue: try row.optionalString("type"))
        cause = try row.string("cause")
        status = try DeadLetterStatus(row: row)
        parkedAt = try row.timestamp("parked_at")
        canReplay =
            try status == .parked && !row.bool("value_omitted")
            && !DeadLetterStore.isTooOldToReplay(parkedAt: parkedAt, now: now)
        _decidedAt = Nullable(wrappedValue: try row.optionalTimestamp("decided_at"))
        _decidedBy = Nullable(wrappedValue: try row.optionalString("decided_by_email"))
    }
}

/// A dead letter with the record it is about, as that travelled: what is sealed in it stays sealed.
struct DeadLetterDetail: Encodable, Sendable {
    var answer: DeadLetterAnswer
    var letter: DeadLetter

    private enum CodingKeys: String, CodingKey {
        case headers, value, valueOmitted
    }

    func encode(to encoder: any Encoder) throws {
        try answer.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(letter.headers, forKey: .headers)
        try container.encode(letter.value, forKey: .value)
        try container.encode(letter.valueOmitted, forKey: .valueOmitted)
    }
}

extension DeadLetterStatus {
    init(row: Row) throws {
        let text = try row.string("status")
        guard let status = DeadLetterStatus(rawValue: text) else {
            throw PostgresError(.decode, "unknown status \(text)")
        }
        self = status
    }
}
