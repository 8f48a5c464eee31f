// SPDX-License-Identifier: Apache-2.0

/// A JSON value that is built, never read.
enum JSONValue: Encodable, Sendable {
    case null
    case bool(Bool)
    case int(Int)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let values): try container.encode(values)
        case .object(let values): try container.encode(values)
        }
    }

    static func strings(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
    static func strings(_ values: [String: String]) -> JSONValue { .object(values.mapValues { .string($0) }) }
}

extension String {
    /// Every byte but RFC 3986's unreserved characters and those of `kept` as `%XX`.
    func percentEncoded(keeping kept: String = "") -> String {
        let kept = Array(kept.utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        encoded.reserveCapacity(utf8.count)
        for byte in utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                encoded.append(byte)
            case _ where kept.contains(byte):
                encoded.append(byte)
            default:
                encoded += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}

/// JSON in the engine's query parameters.
enum Filters {
    static func text(labels: [String: String], _ more: [String: [String]] = [:]) -> String {
        var filters = more
        if !labels.isEmpty { filters["label"] = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } }
        return Self.text(filters)
    }

    static func text(_ filters: [String: [String]]) -> String {
        let entries = filters.sorted { $0.key < $1.key }.map { name, values in
            "\(quoted(name)):[" + values.map(quoted).joined(separator: ",") + "]"
        }
        return "{" + entries.joined(separator: ",") + "}"
    }

    /// A JSON object of strings, as build arguments and labels travel.
    static func object(_ values: [String: String]) -> String {
        let entries = values.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
        return "{" + entries.joined(separator: ",") + "}"
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                quoted += "\\"
                quoted.unicodeScalars.append(scalar)
            case let control where control.value < 0x20:
                let digits = String(control.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default:
                quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
