// SPDX-License-Identifier: Apache-2.0
import Foundation

@testable import Events

/// Makes of one example many payloads, of which the schema says whether they are valid.
struct SchemaTrial {
    struct Variant {
        let what: String
        let payload: JSONValue
        let isValid: Bool
    }

    private let entry: Catalogue.Entry
    private let record: Record
    private let example: JSONValue

    init(_ entry: Catalogue.Entry) throws {
        self.entry = entry
        record = try entry.example()
        example = try JSONDecoder().decode(JSONValue.self, from: record.value ?? Data())
    }

    /// Whether today's Swift type reads `payload`.
    func accepts(_ payload: JSONValue) -> Bool {
        var record = record
        record.value = try? JSONEncoder().encode(payload)
        return (try? entry.check(record)) != nil
    }

    /// Where the example has other members than the schema, or a value of another type.
    var mismatches: [String] { Self.mismatches("$", entry.schema, example) }

    private static func mismatches(_ path: String, _ schema: Schema, _ value: JSONValue) -> [String] {
        switch (schema, value) {
        case (.object(let properties), .object(let members)):
            let names = Set(properties.map(\.name))
            return members.keys.filter { !names.contains($0) }.map { "\(path).\($0) is not in the schema" }
                + properties.flatMap { property in
                    members[property.name].map { mismatches("\(path).\(property.name)", property.schema, $0) }
                        ?? ["\(path).\(property.name) is not in the example"]
                }
        case (.oneOf(let cases), .object(let members)):
            guard members.count == 1, let (name, value) = members.first,
                let chosen = cases.first(where: { $0.name == name })
            else { return ["\(path) has not exactly one of the members"] }
            return mismatches("\(path).\(name)", chosen.schema, value)
        case (.array(let element), .array(let values)):
            return values.isEmpty ? ["\(path) is empty"] : values.flatMap { mismatches("\(path)[]", element, $0) }
        case (.map(let element), .object(let members)):
            return members.isEmpty
                ? ["\(path) is empty"] : members.values.flatMap { mismatches("\(path).*", element, $0) }
        case (.closed(let values), .string(let text)), (.open(let values), .string(let text)):
            return values.contains(text) ? [] : ["\(path) has a value that is not listed"]
        case (.id(let prefix), .string(let text)):
            return text.hasPrefix("\(prefix)_") ? [] : ["\(path) has another prefix"]
        case (.base64, .string(let text)): return Data(base64Encoded: text) == nil ? ["\(path) is not base64"] : []
        case (.string, .string), (.time, .string), (.boolean, .bool): return []
        case (.integer(let minimum), .integer(let number)):
            return number < minimum ?? .min ? ["\(path) is less than \(minimum ?? .min)"] : []
        default: return ["\(path) is of another type"]
        }
    }

    var variants: [Variant] { Self.variants("$", entry.schema, example) { $0 } }

    /// - Parameter whole: puts a changed part back into its place.
    private static func variants(
        _ path: String, _ schema: Schema, _ value: JSONValue, _ whole: (JSONValue) -> JSONValue
    ) -> [Variant] {
        func variant(_ what: String, _ changed: JSONValue, _ isValid: Bool) -> Variant {
            Variant(what: "\(path) \(what)", payload: whole(changed), isValid: isValid)
        }
        var found = [variant("of another type", schema.isTextual ? ["x": 1] : "x", false)]
        switch (schema, value) {
        case (.object(let properties), .object(let members)):
            found.append(variant("with a member nobody knows", .object(members.with("later", ["x": [1]])), true))
            for property in properties {
                let without = JSONValue.object(members.with(property.name, nil))
                found.append(variant("without \(property.name)", without, !property.isRequired))
                guard let inner = members[property.name] else { continue }
                found += variants("\(path).\(property.name)", property.schema, inner) {
                    whole(.object(members.with(property.name, $0)))
                }
            }
        case (.oneOf(let cases), .object(let members)):
            found.append(variant("without any of the members", [:], false))
            found.append(variant("with a member nobody knows", ["later": [:]], false))
            for one in cases {
                let inner = members[one.name] ?? one.schema.sample
                found.append(variant("as \(one.name)", .object([one.name: inner]), true))
                found += variants("\(path).\(one.name)", one.schema, inner) { whole(.object([one.name: $0])) }
            }
        case (.array(let element), .array(let values)):
            found.append(variant("empty", [], true))
            for value in values.prefix(1) { found += variants("\(path)[]", element, value) { whole(.array([$0])) } }
        case (.map(let element), .object(let members)):
            found.append(variant("empty", [:], true))
            for (name, value) in members {
                found += variants("\(path).*", element, value) { whole(.object(members.with(name, $0))) }
            }
        case (.closed(let values), _):
            found += values.map { variant("as \($0)", .string($0), true) }
            found.append(variant("with a value nobody knows", "later", false))
        case (.open(let values), _):
            found += values.map { variant("as \($0)", .string($0), true) }
            found.append(variant("with a value nobody knows", "later", true))
        case (.time, _):
            found.append(variant("that is no time", "yesterday", false))
        default: break
        }
        return found
    }
}

extension [String: JSONValue] {
    fileprivate func with(_ name: String, _ value: JSONValue?) -> Self {
        var members = self
        members[name] = value
        return members
    }
}

extension Schema {
    fileprivate var isTextual: Bool {
        switch self {
        case .string, .time, .base64, .id, .closed, .open: true
        default: false
        }
    }

    /// Any valid value.
    fileprivate var sample: JSONValue {
        switch self {
        case .string: "text"
        case .time: "2026-01-01T00:00:00Z"
        case .base64: "YQ=="
        case .id(let prefix): .string("\(prefix)_1")
        case .boolean: true
        case .integer: 1
        case .array(let element): [element.sample]
        case .map(let value): ["name": value.sample]
        case .object(let properties):
            .object(Dictionary(uniqueKeysWithValues: properties.map { ($0.name, $0.schema.sample) }))
        case .closed(let values), .open(let values): .string(values[0])
        case .oneOf(let cases): .object([cases[0].name: cases[0].schema.sample])
        }
    }
}
