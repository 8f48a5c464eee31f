// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// The rules of CloudEvents 1.0.2 and of its Kafka protocol binding, binary content mode, that records are held to.
enum CloudEvents {
    static let headerPrefix = "ce_"
    static let specversion = "1.0"

    /// The context attributes of a record that is a CloudEvent.
    struct Attributes {
        let id: String
        let source: String
        let type: String
        let time: Timestamp?
        let dataIsJSON: Bool

        /// - Throws: `EventError` naming the header that is missing or breaks a constraint of the specification.
        init(_ record: Record) throws {
            func required(_ name: String) throws -> String {
                guard let value = record.headers[name] else { throw EventError.missingHeader(name) }
                guard !value.isEmpty else { throw EventError.invalidHeader(name, detail: "is empty") }
                return value
            }
            if let contentType = record.contentType, isStructured(contentType) {
                throw EventError.structuredMode(contentType: contentType)
            }
            guard try required("ce_specversion") == specversion else {
                throw EventError.invalidHeader("ce_specversion", detail: "is not \(specversion)")
            }
            id = try required("ce_id")
            type = try required("ce_type")
            source = try required("ce_source")
            guard isURIReference(source) else {
                throw EventError.invalidHeader("ce_source", detail: "is not a URI reference")
            }
            time = record.headers["ce_time"].flatMap { Timestamp(rfc3339: $0) }
            guard time != nil || record.headers["ce_time"] == nil else {
                throw EventError.invalidHeader("ce_time", detail: "is not an RFC 3339 time")
            }
            // Absent, data is JSON, as in the JSON event format.
            dataIsJSON = record.contentType.map(isJSON) ?? true
        }
    }

    /// Attribute names are lower-case letters and digits (section 3.1); `data` is none.
    static func isAttributeName(_ name: some StringProtocol) -> Bool {
        !name.isEmpty && name != "data"
            && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }
    }

    /// Kafka protocol binding, section 3: how a receiver tells the content modes apart.
    static func isStructured(_ mediaType: String) -> Bool {
        mediaType.lowercased().hasPrefix("application/cloudevents")
    }

    /// A media type whose data is JSON, whatever its parameters: `application/json`, `text/json`, `…+json`.
    static func isJSON(_ mediaType: String) -> Bool {
        let essence = mediaType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        return essence.hasSuffix("/json") || essence.hasSuffix("+json")
    }

    /// Made of the characters of RFC 3986 with whole percent escapes.
    static func isURIReference(_ text: String) -> Bool {
        var escape = 0
        for byte in text.utf8 {
            if escape > 0 {
                guard isHexadecimal(byte) else { return false }
                escape -= 1
            } else if byte == UInt8(ascii: "%") {
                escape = 2
            } else if !uriCharacters.contains(byte) {
                return false
            }
        }
        return escape == 0
    }

    static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    private static let uriCharacters = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=".utf8)

    static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        // Sorted: equal data has equal bytes, which golden samples and fingerprints rely on.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()
}
