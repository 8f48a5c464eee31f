// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// The body of an event or state record, as the catalogue lists it.
public protocol EventPayload: Codable, Sendable {
    /// Versioned name, such as `build.succeeded.v1`. A change that could break a reader gets a new version.
    static var type: String { get }
    static var topic: Topic { get }
    /// Records with the same key are delivered in order; on a state topic the later replaces the earlier.
    var key: String { get }
    /// What chooses the partition, where that is not the key.
    var partitionKey: String? { get }
}

extension EventPayload {
    public var partitionKey: String? { nil }
}

/// An event with its CloudEvents 1.0 attributes.
public struct Event<Payload: EventPayload>: Sendable {
    public let id: EventID
    /// The service that published it, as a URI reference: `/slipway/controller`.
    public let source: String
    public let time: Timestamp
    /// W3C trace context of what caused it.
    public let traceparent: String?
    public let data: Payload

    public init(
        id: EventID = .generate(), source: String, time: Timestamp = .now(), traceparent: String? = nil, data: Payload
    ) {
        self.id = id
        self.source = source
        self.time = time
        self.traceparent = traceparent
        self.data = data
    }
}

/// A record as the bus carries it: the Kafka binary binding of CloudEvents (`ce_` headers, JSON value).
public struct Record: Sendable, Hashable {
    public var topic: String
    public var key: String
    public var partitionKey: String?
    public var headers: RecordHeaders
    /// `nil` is a tombstone, on state topics only.
    public var value: Data?

    public init(
        topic: String, key: String, partitionKey: String? = nil, headers: RecordHeaders, value: Data?
    ) {
        self.topic = topic
        self.key = key
        self.partitionKey = partitionKey
        self.headers = headers
        self.value = value
    }

    public var eventID: String? { headers["ce_id"] }
    public var type: String? { headers["ce_type"] }
    public var traceparent: String? { headers["traceparent"] }
    public var contentType: String? { headers["content-type"] }

    /// Key, value and headers, as counted against `Limits.eventBytesMax`.
    public var size: Int { key.utf8.count + headers.size + (value?.count ?? 0) }
}

public enum EventError: Error, Sendable, CustomStringConvertible {
    case missingHeader(String)
    case invalidHeader(String, detail: String)
    case structuredMode(contentType: String)
    case unexpectedType(String, expected: String)
    case tombstone(topic: String)
    case malformed(type: String, detail: String)
    case tooLarge(type: String, bytes: Int)

    public var description: String {
        switch self {
        case .missingHeader(let name): "the record has no header \(name)"
        case .invalidHeader(let name, let detail): "the record's header \(name) \(detail)"
        case .structuredMode(let contentType):
            "the record is a CloudEvent in structured mode (content-type \(contentType)), expected binary mode: "
                + "attributes in ce_ headers, data in the value"
        case .unexpectedType(let type, let expected): "the record is a \(type), expected \(expected)"
        case .tombstone(let topic): "a tombstone on \(topic) carries no data"
        case .malformed(let type, let detail): "the data of \(type) cannot be read: \(detail)"
        case .tooLarge(let type, let bytes): "\(type) has \(bytes) bytes, at most \(Limits.eventBytesMax) travel"
        }
    }
}

extension Event {
    /// - Throws: `EventError.tooLarge`.
    public func record() throws -> Record {
        var headers: RecordHeaders = [
            "ce_specversion": CloudEvents.specversion, "ce_id": id.rawValue, "ce_type": Payload.type,
            "ce_source": source,
            "ce_time": time.rfc3339, "ce_subject": data.key, "content-type": "application/json",
        ]
        headers["traceparent"] = traceparent
        let record = Record(
            topic: Payload.topic.name, key: data.key, partitionKey: data.partitionKey, headers: headers,
            value: try CloudEvents.encoder.encode(data))
        guard record.size <= Limits.eventBytesMax else {
            throw EventError.tooLarge(type: Payload.type, bytes: record.size)
        }
        return record
    }

    /// - Throws: `EventError` naming the header or field that does not fit.
    public init(_ record: Record) throws {
        let attributes = try CloudEvents.Attributes(record)
        let type = attributes.type
        guard type == Payload.type else { throw EventError.unexpectedType(type, expected: Payload.type) }
        guard let value = record.value else { throw EventError.tombstone(topic: record.topic) }
        guard attributes.dataIsJSON else {
            throw EventError.invalidHeader("content-type", detail: "does not name JSON: use application/json")
        }
        // CloudEvents leaves it to the producer; whoever writes here always knows when something happened.
        guard let time = attributes.time else { throw EventError.missingHeader("ce_time") }
        let data: Payload
        do {
            data = try eventDecoder.decode(Payload.self, from: value)
        } catch let error as DecodingError {
            throw EventError.malformed(type: type, detail: Self.where(error))
        }
        self.init(
            id: EventID(attributes.id), source: attributes.source, time: time, traceparent: record.traceparent,
            data: data)
    }

    /// Names the place and never the content: a field may hold what must not be logged.
    private static func `where`(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context, _ last: String? = nil) -> String {
            (context.codingPath.map(\.stringValue) + (last.map { [$0] } ?? [])).joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context): "field \(path(context, key.stringValue)) is missing"
        case .typeMismatch(let type, let context): "field \(path(context)) is not a \(type)"
        case .valueNotFound(_, let context): "field \(path(context)) is null"
        case .dataCorrupted(let context): context.codingPath.isEmpty ? "not JSON" : "field \(path(context)) is damaged"
        @unknown default: "unreadable"
        }
    }
}

extension Record {
    /// Removes `key` from a state topic.
    public static func tombstone<Payload: EventPayload>(
        _: Payload.Type, key: String, partitionKey: String? = nil, source: String
    ) -> Record {
        precondition(Payload.topic.kind == .state, "only state topics have tombstones")
        return Record(
            topic: Payload.topic.name, key: key, partitionKey: partitionKey,
            headers: [
                "ce_specversion": CloudEvents.specversion, "ce_id": EventID.generate().rawValue,
                "ce_type": Payload.type,
                "ce_source": source, "ce_time": Timestamp.now().rfc3339, "ce_subject": key,
            ], value: nil)
    }
}

private let eventDecoder = JSONDecoder()
