// SPDX-License-Identifier: Apache-2.0
import Domain

/// Every event type and state record on the bus: where it travels, who writes and reads it, what it looks like.
/// What is published for others (AsyncAPI document, page, samples) is made from it.
public enum Catalogue {
    public static let all: [Entry] = environments + deployments + builds + services + hosts + routes + others

    /// - Parameter type: versioned, such as `build.succeeded.v1`.
    public static func entry(_ type: String) -> Entry? { byType[type] }

    private static let byType = Dictionary(all.map { ($0.type, $0) }) { first, _ in first }

    public enum Audience: String, Sendable, Hashable {
        /// Consumers outside Slipway may rely on it; nothing in it is sealed to a service.
        case `public`
        case `internal`
    }

    /// The executables, `slipway-…`.
    public enum Service: String, Sendable, Hashable, CaseIterable {
        case panel, controller, builder, runner, ingress, services

        public var executable: String { "slipway-\(rawValue)" }
        /// The `source` of its events.
        public var source: String { "/slipway/\(rawValue)" }
    }

    public struct Entry: Sendable {
        public let type: String
        public let topic: Topic
        /// The key as a template of the payload's properties, such as `{host}/{instance}`.
        public let key: String
        /// What chooses the partition, as such a template; `nil`: the key does.
        public let partitionKey: String?
        public let audience: Audience
        public let writers: [Service]
        public let readers: [Service]
        public let summary: String
        public let schema: Schema
        let makeExample: @Sendable () throws -> Record
        let decode: @Sendable (Record) throws -> Void

        init<Payload: EventPayload>(
            _: Payload.Type, key: String, partitionKey: String? = nil, _ audience: Audience, from writers: [Service],
            to readers: [Service], _ summary: String, _ properties: [Schema.Property],
            example: @escaping @Sendable () throws -> Payload
        ) {
            type = Payload.type
            topic = Payload.topic
            self.key = key
            self.partitionKey = partitionKey
            self.audience = audience
            self.writers = writers
            self.readers = readers
            self.summary = summary
            schema = .object(properties)
            makeExample = {
                try Event(
                    id: Example.event, source: writers[0].source, time: Example.time,
                    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", data: example()
                ).record()
            }
            decode = { _ = try Event<Payload>($0) }
        }

        /// The record of an event with every optional property set, always the same.
        public func example() throws -> Record { try makeExample() }

        /// - Throws: `EventError` when `record` is not one of this type that today's code can read.
        public func check(_ record: Record) throws { try decode(record) }

        /// The number behind the last `.v`.
        public var version: Int { type.split(separator: "v").last.flatMap { Int($0) } ?? 0 }
    }
}
