// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// Decides, from a record alone, what a consumer is to do with it.
struct Intake: Sendable {
    let handlers: EventHandlers
    /// The catalogue of this build.
    let knownTypes: Set<String>

    /// Ids are kept in an index of the database.
    static let idBytesMax = 256
    /// Of what a record says about itself, this much is repeated in a cause.
    static let quoteMax = 80

    enum Decision {
        /// `time` is `nil` for a tombstone.
        case handle(EventHandlers.Handler, time: Timestamp?)
        case passOver
        case park(cause: String)
    }

    func decide(_ record: Record, kind: Topic.Kind) -> Decision {
        guard record.size <= Limits.eventBytesMax else {
            return .park(cause: "the record has \(record.size) bytes, at most \(Limits.eventBytesMax) travel")
        }
        guard record.value != nil else {
            guard kind == .state else {
                return .park(cause: "the record has no value, which only state topics know, as the removal of a key")
            }
            return handlers.tombstones[record.topic].map { .handle($0, time: nil) } ?? .passOver
        }
        if let problem = envelopeProblem(record) { return .park(cause: problem) }
        guard let time = Timestamp(rfc3339: record.headers["ce_time"] ?? "") else {
            return .park(cause: "ce_time is no time of RFC 3339")
        }
        let type = record.type ?? ""
        if let handler = handlers.handlers[type] { return .handle(handler, time: time) }
        return knownTypes.contains(type) ? .passOver : .park(cause: unknown(type))
    }

    /// What does not fit the Kafka binding of CloudEvents 1.0 in binary mode, the only one in use.
    private func envelopeProblem(_ record: Record) -> String? {
        let contentType = record.contentType?.prefix { $0 != ";" }.lowercased()
        if let contentType, contentType.hasPrefix("application/cloudevents") {
            return "the record is in structured mode (\(Self.quoted(contentType))): "
                + "publish in binary mode, with ce_ headers and the data as value"
        }
        let missing = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"].filter {
            record.headers[$0, default: ""].isEmpty
        }
        if !missing.isEmpty { return "the record has no header \(missing.joined(separator: ", "))" }
        if let version = record.headers["ce_specversion"], version != "1.0" {
            return "ce_specversion is \(Self.quoted(version)), expected 1.0"
        }
        if Self.usableID(of: record) == nil {
            return "ce_id is longer than \(Self.idBytesMax) bytes or holds control characters"
        }
        if let contentType, !contentType.hasSuffix("/json"), !contentType.hasSuffix("+json") {
            return "content-type is \(Self.quoted(contentType)), expected application/json"
        }
        return nil
    }

    private func unknown(_ type: String) -> String {
        guard let name = Self.name(ofVersioned: type) else {
            return "the type \(Self.quoted(type)) is not in the catalogue: types end in a version such as .v1"
        }
        let known = knownTypes.filter { Self.name(ofVersioned: $0) == name }.sorted()
        if known.isEmpty { return "the type \(Self.quoted(type)) is not in the catalogue" }
        return "the version of \(Self.quoted(type)) is unknown, this build knows \(known.joined(separator: ", ")): "
            + "replay it after an upgrade"
    }

    /// `build.succeeded` for `build.succeeded.v1`.
    private static func name(ofVersioned type: String) -> Substring? {
        guard let dot = type.lastIndex(of: "."), type[dot...].hasPrefix(".v"), Int(type[dot...].dropFirst(2)) != nil
        else { return nil }
        return type[..<dot]
    }

    private static func quoted(_ text: String) -> String { "\"\(text.cut(to: quoteMax))\"" }

    /// The event's id, when it can be kept.
    static func usableID(of record: Record) -> String? {
        record.eventID.flatMap { id in
            !id.isEmpty && id.utf8.count <= idBytesMax && id.utf8.allSatisfy { $0 >= 0x20 } ? id : nil
        }
    }
}

extension String {
    /// By code points: what people see as one character may have any number of them.
    func cut(to length: Int) -> String { String(unicodeScalars.prefix(length)) }
}
