// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// A record that a consumer could not handle, parked so that its partition goes on.
public struct DeadLetter: EventPayload, Hashable {
    public static let type = "dead-letter.v1"
    public static let topic = Topic.deadLetters
    public var key: String { consumer }

    public var consumer: String
    public var topic: String
    public var partition: Int
    public var offset: Int64
    public var recordKey: String
    public var headers: [String: String]
    /// The record's value as it came, unless it is large; the position tells where it is. It travelled on the bus and
    /// so holds nothing readable that is secret.
    public var value: String?
    public var cause: String

    public init(consumer: String, incoming: IncomingRecordPosition, record: Record, cause: String) {
        self.consumer = consumer
        topic = record.topic
        partition = incoming.partition
        offset = incoming.offset
        recordKey = record.key
        headers = record.headers
        // As a text inside JSON the value may need several times its size.
        value =
            record.size > Limits.eventBytesMax / 8 ? nil : record.value.map { String(decoding: $0, as: UTF8.self) }
        self.cause = cause
    }
}

public struct IncomingRecordPosition: Sendable, Hashable {
    public var partition: Int
    public var offset: Int64
}

/// Thrown by a handler that will never be able to handle this event: it is parked at once.
public struct RejectedEvent: Error, Sendable, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }

    public init(_ reason: String) { self.reason = reason }
}
