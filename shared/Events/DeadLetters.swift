// SPDX-License-Identifier: Apache-2.0
import Domain

/// A record that a consumer could not handle, parked so that its partition goes on.
public struct DeadLetter: EventPayload, Hashable {
    public static let type = "dead-letter.v1"
    public static let topic = Topic.deadLetters
    public var key: String { consumer }

    /// The consumer group.
    public var consumer: String
    public var topic: String
    public var partition: Int
    public var offset: Int64
    public var recordKey: String
    public var headers: [String: String]
    /// The record's value as it came; `nil` for a tombstone and when it was left out. It travelled on the bus and so
    /// holds nothing readable that is secret.
    public var value: String?
    /// The record was too large to park, or its value is no text: the letter can be discarded and not replayed. The
    /// position tells where the record is; of a large one, key and headers may be cut too.
    public var valueOmitted: Bool
    public var cause: String

    /// As a text inside JSON a value may need several times its size.
    public static let recordBytesMax = Limits.eventBytesMax / 8
    /// Of a larger record this many headers, and this many characters of each and of the key, are kept.
    public static let headersMax = 32
    public static let textMax = 256

    public init(consumer: String, partition: Int, offset: Int64, record: Record, cause: String) {
        self.consumer = consumer
        topic = record.topic
        self.partition = partition
        self.offset = offset
        if record.size > Self.recordBytesMax {
            func cut(_ text: String) -> String { String(text.unicodeScalars.prefix(Self.textMax)) }
            recordKey = cut(record.key)
            let kept = record.headers.sorted { $0.key < $1.key }.prefix(Self.headersMax)
            headers = Dictionary(kept.map { (cut($0.key), cut($0.value)) }) { first, _ in first }
            value = nil
            valueOmitted = true
        } else {
            recordKey = record.key
            headers = record.headers.dictionary
            value = record.value.flatMap { String(validating: $0, as: UTF8.self) }
            valueOmitted = record.value != nil && value == nil
        }
        self.cause = cause
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        consumer = try container.decode(String.self, forKey: .consumer)
        topic = try container.decode(String.self, forKey: .topic)
        partition = try container.decode(Int.self, forKey: .partition)
        offset = try container.decode(Int64.self, forKey: .offset)
        recordKey = try container.decode(String.self, forKey: .recordKey)
        headers = try container.decode([String: String].self, forKey: .headers)
        value = try container.decodeIfPresent(String.self, forKey: .value)
        // The first letters were written without it.
        valueOmitted = try container.decodeIfPresent(Bool.self, forKey: .valueOmitted) ?? false
        cause = try container.decode(String.self, forKey: .cause)
    }
}

/// An operator wants a parked record handled again, by the consumer that parked it.
public struct DeadLetterReplayRequested: EventPayload, Hashable {
    public static let type = "dead-letter.replay-requested.v1"
    public static let topic = Topic.deadLetters
    public var key: String { consumer }

    /// The id of the `DeadLetter` event.
    public var letter: String
    /// The consumer group that is to handle the record; others pass it over.
    public var consumer: String
    public var topic: String
    public var partition: Int
    public var offset: Int64
    public var recordKey: String
    public var headers: [String: String]
    /// `nil` is a tombstone.
    public var value: String?

    public init(
        letter: String, consumer: String, topic: String, partition: Int, offset: Int64, recordKey: String,
        headers: [String: String], value: String?
    ) {
        self.letter = letter
        self.consumer = consumer
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.recordKey = recordKey
        self.headers = headers
        self.value = value
    }
}
