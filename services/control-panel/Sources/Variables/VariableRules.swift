// SPDX-License-Identifier: Apache-2.0
import Domain

/// What a variable may be called and hold.
enum VariableRules {
    static let nameBytesMax = 128
    static let nameRule = "letters, digits and underscores, not beginning with a digit, at most \(nameBytesMax)"

    /// POSIX environment variable names (IEEE 1003.1, 8.1), in either case.
    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= nameBytesMax, !(0x30...0x39).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
        }
    }

    /// Set by the platform for every instance.
    static let reserved: Set<String> = ["PORT"]

    /// - Returns: what is wrong with the name; `nil` when nothing is.
    static func problem(withName name: String) -> String? {
        if !isName(name) { return "expected \(nameRule)" }
        if reserved.contains(name) || name.hasPrefix("SLIPWAY_") {
            return "is set by the platform: choose another name"
        }
        return nil
    }

    /// - Returns: what is wrong with the value; `nil` when nothing is.
    static func problem(withValue value: String) -> String? {
        if value.utf8.contains(0) { return "holds a NUL byte, which no environment variable can: encode it in base64" }
        if value.utf8.count > Limits.environmentValueBytesMax {
            return "has \(value.utf8.count) bytes, at most \(Limits.environmentValueBytesMax) are possible"
        }
        return nil
    }
}

/// What a user asks to be done with an environment's variables, as a whole.
struct VariableChange: Sendable {
    struct Setting: Sendable {
        var value: String
        var isSecret: Bool
        var visibleInBuild: Bool
    }

    var set: [String: Setting] = [:]
    var unset: Set<String> = []
}

extension VariableChange.Setting: CustomReflectable {
    // A value may be a secret: a dump of this must not show it.
    var customMirror: Mirror { Mirror(self, children: ["isSecret": isSecret, "visibleInBuild": visibleInBuild]) }
}

extension VariableChange {
    /// `{value, isSecret?, visibleInBuild?}`; problems are named `<path>.value` and so on.
    static func setting(_ fields: inout JSONFields) -> Setting {
        let before = fields.problems.count
        let value = fields.string("value")
        if fields.problems.count == before, let problem = VariableRules.problem(withValue: value) {
            fields.reject("value", problem)
        }
        return Setting(
            value: value, isSecret: fields.bool("isSecret", default: false),
            visibleInBuild: fields.bool("visibleInBuild", default: false))
    }

    /// `{set: {NAME: {…}}, unset: [NAME]}`.
    static func read(_ fields: inout JSONFields) -> VariableChange {
        var change = VariableChange()
        readSet(&fields, into: &change)
        readUnset(&fields, into: &change)
        for name in change.unset where change.set[name] != nil {
            fields.reject("unset", "\(name) is also in set: choose one")
        }
        return change
    }

    private static func readSet(_ fields: inout JSONFields, into change: inout VariableChange) {
        guard let value = fields.value("set") else { return }
        guard case .object(let members) = value else {
            return fields.reject("set", "is \(value.kind), expected an object of variables by name")
        }
        for member in members {
            if let problem = VariableRules.problem(withName: member.name) {
                fields.reject("set.\(member.name.prefix(60))", problem)
                continue
            }
            guard case .object(let inner) = member.value else {
                fields.reject("set.\(member.name)", "is \(member.value.kind), expected an object with a value")
                continue
            }
            var innerFields = JSONFields(inner, prefix: "set.\(member.name).")
            change.set[member.name] = setting(&innerFields)
            innerFields.rejectUnknown()
            fields.adopt(innerFields.problems)
        }
    }

    private static func readUnset(_ fields: inout JSONFields, into change: inout VariableChange) {
        guard let value = fields.value("unset") else { return }
        guard case .array(let names) = value else {
            return fields.reject("unset", "is \(value.kind), expected a list of names")
        }
        for (index, element) in names.enumerated() {
            guard case .string(let name) = element else {
                fields.reject("unset.\(index)", "is \(element.kind), expected a name")
                continue
            }
            guard VariableRules.isName(name) else {
                fields.reject("unset.\(index)", "expected \(VariableRules.nameRule)")
                continue
            }
            change.unset.insert(name)
        }
    }
}
