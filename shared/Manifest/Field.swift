// SPDX-License-Identifier: Apache-2.0

/// A value of the document with its path. Its readers record a problem and return `nil` when it does not fit.
struct Field {
    let path: String
    let tree: Tree
    let problems: ProblemLog

    static func path(_ parent: String, _ key: String) -> String {
        parent.isEmpty ? Tree.shown(key) : parent + "." + Tree.shown(key)
    }

    func fail(_ message: String) {
        if tree.isInvalid { return }
        problems.add(line: tree.line, column: tree.column, field: path, message)
    }

    func fail(expected: String) {
        fail("found \(tree.found), expected \(expected)")
    }

    /// A text that is not empty.
    func text(expected: String) -> String? {
        guard case .text(let text, _) = tree.kind, !tree.isNothing, !text.isEmpty else {
            fail(expected: expected)
            return nil
        }
        return text
    }

    /// A text in a form of its own.
    func value<Value>(expected: String, _ convert: (String) -> Value?) -> Value? {
        guard let text = self.text(expected: expected) else { return nil }
        guard let value = convert(text) else {
            fail(expected: expected)
            return nil
        }
        return value
    }

    func integer(in range: ClosedRange<Int>, expected: String) -> Int? {
        value(expected: expected) { text in
            // `Int` alone would also take "+5".
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else { return nil }
            return range.contains(number) ? number : nil
        }
    }

    /// A quantity such as `10s` or `64MB`, within `range` after conversion.
    func quantity(in range: ClosedRange<Int>, expected: String, _ convert: (String) -> Int?) -> Int? {
        value(expected: expected) { text in convert(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    func milliseconds(in range: ClosedRange<Int>) -> Int? {
        let bounds = "\(Quantity.duration(range.lowerBound)) to \(Quantity.duration(range.upperBound))"
        return quantity(
            in: range, expected: "a duration from \(bounds), such as 250ms, 10s or 5m", Quantity.milliseconds)
    }

    func bytes(in range: ClosedRange<Int>) -> Int? {
        let bounds = "\(Quantity.size(range.lowerBound)) to \(Quantity.size(range.upperBound))"
        return quantity(in: range, expected: "a size from \(bounds), such as 64MB or 1GB", Quantity.bytes)
    }

    /// A string runs in a shell, a list as it is.
    func command() -> [String]? {
        let expected = "a command as a text, or a list of the program and its arguments"
        switch tree.kind {
        case .text:
            return text(expected: expected).map { ["/bin/sh", "-c", $0] }
        case .list(let items):
            guard !items.isEmpty, items.count <= ManifestLimits.commandArgumentsMax else {
                fail("found \(items.count) items, expected 1 to \(ManifestLimits.commandArgumentsMax)")
                return nil
            }
            let arguments = items.enumerated().map { index, item -> String? in
                // An argument may be an empty text in quotes, a program may not.
                if case .text(let text, _) = item.kind, !item.isNothing, index > 0 || !text.isEmpty { return text }
                Field(path: "\(path)[\(index)]", tree: item, problems: problems).fail(expected: "a text")
                return nil
            }
            let texts = arguments.compactMap { $0 }
            return texts.count == arguments.count ? texts : nil
        case .mapping, .invalid:
            fail(expected: expected)
            return nil
        }
    }

    /// The entries of a mapping whose keys are names of the developer's choice; an empty one when it does not fit.
    func entries(expected: String) -> [(name: String, key: Field, value: Field)] {
        guard case .mapping(let entries) = tree.kind else {
            fail(expected: expected)
            return []
        }
        return entries.map { entry in
            let childPath = Self.path(path, entry.key)
            let key = Tree(kind: .text(entry.key, isPlain: true), line: entry.line, column: entry.column)
            return (
                entry.key, Field(path: childPath, tree: key, problems: problems),
                Field(path: childPath, tree: entry.value, problems: problems)
            )
        }
    }

    /// A mapping that has no keys but `keys`; others are problems.
    func section(_ keys: [String]) -> Section? {
        guard case .mapping(let entries) = tree.kind else {
            fail(expected: "a mapping with the keys \(keys.joined(separator: ", "))")
            return nil
        }
        var fields: [String: Field] = [:]
        for entry in entries {
            let childPath = Self.path(path, entry.key)
            guard keys.contains(entry.key) else {
                let advice =
                    NearestWord.to(entry.key, among: keys).map { "did you mean \($0)?" }
                    ?? "expected one of \(keys.joined(separator: ", "))"
                problems.add(line: entry.line, column: entry.column, field: childPath, "unknown key: \(advice)")
                continue
            }
            fields[entry.key] = Field(path: childPath, tree: entry.value, problems: problems)
        }
        return Section(field: self, fields: fields)
    }
}

/// A mapping with known keys.
struct Section {
    let field: Field
    let fields: [String: Field]

    subscript(_ key: String) -> Field? { fields[key] }

    func required(_ key: String, _ advice: String) -> Field? {
        if let found = fields[key] { return found }
        missing(key, advice)
        return nil
    }

    func missing(_ key: String, _ advice: String) {
        field.problems.add(
            // The root's line says nothing: the key is missing from the file.
            line: field.path.isEmpty ? nil : field.tree.line, field: Field.path(field.path, key),
            "missing: \(advice)")
    }
}
