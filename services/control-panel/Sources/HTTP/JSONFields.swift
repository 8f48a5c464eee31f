// SPDX-License-Identifier: Apache-2.0
import Domain

/// Reads the fields of a JSON object, and collects every problem instead of stopping at the first.
///
/// Readers give a stand-in after a problem; `finish` throws before anything is done with it. Fields that nobody asked
/// for are problems too.
struct JSONFields {
    private let members: [String: JSON]
    private let order: [String]
    private let prefix: String
    private var known: Set<String> = []
    private(set) var problems: [Problem.Field] = []

    /// - Throws: a problem naming the field, when the body is not a JSON object. An empty body is an empty object.
    init(body: [UInt8]) throws {
        if body.isEmpty {
            self.init([], prefix: "")
            return
        }
        let json: JSON
        do {
            json = try JSONParser.parse(body)
        } catch {
            let place = error.field.isEmpty ? "the body" : error.field
            throw Problem.malformed(
                "\(place): \(error.message) (byte \(error.offset))",
                errors: [.init(field: error.field, message: error.message)])
        }
        guard case .object(let members) = json else {
            throw Problem.malformed("the body is \(json.kind), expected an object")
        }
        self.init(members, prefix: "")
    }

    init(_ members: [JSON.Member], prefix: String) {
        self.members = Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        order = members.map(\.name)
        self.prefix = prefix
    }

    var names: [String] { order }

    mutating func reject(_ name: String, _ message: String) {
        problems.append(.init(field: prefix + name, message: message))
    }

    mutating func adopt(_ problems: [Problem.Field]) { self.problems += problems }

    /// The field's value; `nil` when it is absent or null.
    mutating func value(_ name: String) -> JSON? {
        known.insert(name)
        let value = members[name]
        return value == .null ? nil : value
    }

    mutating func optionalString(_ name: String) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else {
            reject(name, "is \(value.kind), expected a text")
            return nil
        }
        return text
    }

    mutating func string(_ name: String) -> String {
        let before = problems.count
        if let text = optionalString(name) { return text }
        if problems.count == before { reject(name, "is missing, expected a text") }
        return ""
    }

    /// A text for people: no control characters, of bounded length.
    mutating func label(_ name: String) -> String {
        let before = problems.count
        let text = string(name)
        guard problems.count == before else { return text }
        if text.isEmpty || text.count > PanelLimits.nameCharactersMax {
            reject(name, "has \(text.count) characters, expected 1 to \(PanelLimits.nameCharactersMax)")
        } else if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) {
            reject(name, "holds a control character")
        }
        return text
    }

    mutating func slug(_ name: String) -> String {
        let before = problems.count
        let text = string(name)
        if problems.count == before, !Slug.isValid(text) {
            reject(name, "is \"\(text.prefix(60))\", expected \(Slug.rule)")
        }
        return text
    }

    mutating func bool(_ name: String, default fallback: Bool) -> Bool {
        guard let value = value(name) else { return fallback }
        guard case .bool(let bool) = value else {
            reject(name, "is \(value.kind), expected true or false")
            return fallback
        }
        return bool
    }

    mutating func optionalInt(_ name: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .number(let text) = value, let number = Int(text), range.contains(number) else {
            reject(name, "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// Fields that no reader asked for are typing mistakes, which must not pass silently.
    mutating func rejectUnknown() {
        for name in order where !known.contains(name) {
            let expected = known.isEmpty ? "" : ", expected " + known.sorted().joined(separator: ", ")
            reject("\(name.prefix(60))", "is unknown" + expected)
        }
    }

    /// - Throws: a problem that names every field that is wrong or unknown.
    mutating func finish() throws {
        rejectUnknown()
        if !problems.isEmpty { throw Problem.invalid(problems) }
    }
}
