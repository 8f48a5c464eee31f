// SPDX-License-Identifier: Apache-2.0

/// The shape of a payload, written beside the Swift type that it describes; tests hold the two together.
public indirect enum Schema: Sendable, Hashable {
    case string
    /// RFC 3339 in UTC.
    case time
    /// Bytes in base64 (RFC 4648, section 4).
    case base64
    /// A prefix that tells its kind, an underscore and a ULID in lower case.
    case id(prefix: String)
    case boolean
    /// Whole, from `minimum` up to what 64 bits hold.
    case integer(minimum: Int64? = nil)
    case array(Schema)
    case map(Schema)
    case object([Property])
    /// One of these texts and never another one: a reader may refuse what it does not know.
    case closed([String])
    /// One of these texts, or one that a later version adds: readers must accept any text.
    case open([String])
    /// An object with exactly one of these members.
    case oneOf([Property])

    public struct Property: Sendable, Hashable {
        public let name: String
        public let schema: Schema
        public let isRequired: Bool
        public let description: String

        public static func required(_ name: String, _ schema: Schema, _ description: String) -> Property {
            Property(name: name, schema: schema, isRequired: true, description: description)
        }

        public static func optional(_ name: String, _ schema: Schema, _ description: String) -> Property {
            Property(name: name, schema: schema, isRequired: false, description: description)
        }
    }

    /// Integers that only count.
    public static let count = Schema.integer(minimum: 0)

    /// JSON Schema in what draft 07, draft 2020-12 and AsyncAPI 3 have in common. `x-open-values` lists the values of
    /// an open set that are known today.
    ///
    /// - Parameter isDescribed: with the descriptions, which are for people.
    public func json(isDescribed: Bool = true) -> JSONValue {
        switch self {
        case .string: ["type": "string"]
        case .time: ["type": "string", "format": "date-time"]
        case .base64: ["type": "string", "contentEncoding": "base64"]
        case .id(let prefix): ["type": "string", "pattern": .string("^\(prefix)_[0-9a-z]+$")]
        case .boolean: ["type": "boolean"]
        case .integer(nil): ["type": "integer", "format": "int64"]
        case .integer(let minimum?): ["type": "integer", "format": "int64", "minimum": .integer(minimum)]
        case .array(let element): ["type": "array", "items": element.json(isDescribed: isDescribed)]
        case .map(let value): ["type": "object", "additionalProperties": value.json(isDescribed: isDescribed)]
        case .closed(let values): ["type": "string", "enum": .array(values.map(JSONValue.string))]
        case .open(let values): ["type": "string", "x-open-values": .array(values.map(JSONValue.string))]
        case .object(let properties):
            [
                "type": "object", "properties": Self.members(properties, isDescribed),
                "required": .array(properties.filter(\.isRequired).map { .string($0.name) }),
            ]
        case .oneOf(let properties):
            [
                "type": "object", "properties": Self.members(properties, isDescribed),
                "oneOf": .array(properties.map { ["required": [.string($0.name)]] }),
            ]
        }
    }

    private static func members(_ properties: [Property], _ isDescribed: Bool) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for property in properties {
            guard case .object(var schema) = property.schema.json(isDescribed: isDescribed) else { continue }
            if isDescribed { schema["description"] = .string(property.description) }
            members[property.name] = .object(schema)
        }
        return .object(members)
    }
}
