// SPDX-License-Identifier: Apache-2.0
import Domain
import Yams

/// From bytes to a tree: everything that is about the file and its YAML rather than about manifests.
enum Document {
    /// `nil` when nothing can be read; the problems say why.
    static func tree(of bytes: [UInt8], _ problems: ProblemLog) -> Tree? {
        guard bytes.count <= Limits.manifestBytesMax else {
            problems.add("the file has \(bytes.count) bytes, at most \(Limits.manifestBytesMax) are allowed")
            return nil
        }
        guard let text = Self.text(of: bytes) else {
            problems.add("not a text file: expected YAML in UTF-8")
            return nil
        }
        let aliases = aliasCount(bytes)
        guard aliases <= ManifestLimits.aliasesMax else {
            problems.add("\(aliases) aliases (*name): \(aliasMessage)")
            return nil
        }
        do {
            // `basic` leaves every value the text it was written as: what `3.10` or `yes` means is for the reader.
            let parser = try Parser(yaml: text, resolver: .basic, constructor: .default, encoding: .utf8)
            guard let root = try parser.singleRoot() else {
                problems.add("the file is empty: expected at least the keys build and web")
                return nil
            }
            // Nodes hold their anchors weakly; the parser keeps them.
            return withExtendedLifetime(parser) { convert(root, path: "", depth: 1, problems) }
        } catch let error as YamlError {
            record(error, text, problems)
        } catch {
            problems.add("cannot be read as YAML")
        }
        return nil
    }

    static let aliasMessage = "anchors and aliases are not supported: write the value out where it is used"

    private static func text(of bytes: [UInt8]) -> String? {
        if bytes.contains(0) { return nil }
        let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
        return String(validating: bytes.starts(with: byteOrderMark) ? bytes.dropFirst(3) : bytes[...], as: UTF8.self)
    }

    /// An asterisk before a name character, wherever it stands: never fewer than there are aliases.
    static func aliasCount(_ bytes: [UInt8]) -> Int {
        zip(bytes, bytes.dropFirst()).count { asterisk, next in
            guard asterisk == 0x2a else { return false }
            return switch next {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
            default: false
            }
        }
    }

    private static let tags: Set<String> = [
        Tag.Name.str.rawValue, Tag.Name.seq.rawValue, Tag.Name.map.rawValue,
    ]

    private static func convert(_ node: Node, path: String, depth: Int, _ problems: ProblemLog) -> Tree {
        let line = node.mark?.line
        let column = node.mark?.column
        func invalid(_ message: String) -> Tree {
            problems.add(line: line, column: column, field: path, message)
            return Tree(kind: .invalid, line: line, column: column)
        }
        // Before anything below it is looked at: what an alias stands for may be large many times over.
        if node.anchor != nil { return invalid(aliasMessage) }
        guard depth <= ManifestLimits.depthMax else {
            return invalid("nested more than \(ManifestLimits.depthMax) levels deep")
        }
        let tag = node.tag.rawValue
        guard tags.contains(tag) else {
            return invalid("the tag \(Tree.shown(tag)) is not supported: write the value without it")
        }
        switch node {
        case .scalar(let scalar):
            if scalar.string.unicodeScalars.contains("\0") { return invalid("holds a NUL character") }
            let kind = Tree.Kind.text(scalar.string, isPlain: scalar.style == .plain)
            return Tree(kind: kind, line: line, column: column)
        case .sequence(let sequence):
            var items: [Tree] = []
            for item in sequence {
                items.append(convert(item, path: "\(path)[\(items.count)]", depth: depth + 1, problems))
            }
            return Tree(kind: .list(items), line: line, column: column)
        case .mapping(let mapping):
            let entries = Self.entries(of: mapping, path: path, depth: depth, problems)
            return Tree(kind: .mapping(entries), line: line, column: column)
        case .alias:
            return invalid(aliasMessage)
        }
    }

    private static func entries(
        of mapping: Node.Mapping, path: String, depth: Int, _ problems: ProblemLog
    ) -> [Tree.Entry] {
        var entries: [Tree.Entry] = []
        var lines: [String: Int] = [:]
        for (keyNode, valueNode) in mapping {
            let mark = keyNode.mark
            let key = convert(keyNode, path: path, depth: depth + 1, problems)
            guard case .text(let name, _) = key.kind else {
                if !key.isInvalid {
                    problems.add(line: mark?.line, column: mark?.column, field: path, "a key must be a text")
                }
                continue
            }
            let childPath = Field.path(path, name)
            if let first = lines[name] {
                problems.add(
                    line: mark?.line, column: mark?.column, field: childPath,
                    "given more than once, first in line \(first): keep one")
                continue
            }
            lines[name] = mark?.line ?? 0
            let value = convert(valueNode, path: childPath, depth: depth + 1, problems)
            entries.append(Tree.Entry(key: name, line: mark?.line, column: mark?.column, value: value))
        }
        return entries
    }

    private static func record(_ error: YamlError, _ text: String, _ problems: ProblemLog) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let detail = context.map { " (\($0.text) in line \($0.mark.line))" } ?? ""
            let hint = indentsWithTab(text, line: mark.line) ? ": indent with spaces, not with tabs" : ""
            problems.add(line: mark.line, column: mark.column, "not valid YAML: \(problem)\(detail)\(hint)")
        case .reader(let problem, let offset, _, _):
            let line = offset.map { text.prefix($0).count(where: \.isNewline) + 1 }
            problems.add(line: line, "not a text file: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            for key in duplicates {
                problems.add(
                    line: context.mark.line, column: context.mark.column, field: Tree.shown(key),
                    "given more than once: keep one")
            }
        default:
            problems.add("cannot be read as YAML: nested too deeply")
        }
    }

    private static func indentsWithTab(_ text: String, line: Int) -> Bool {
        let lines = text.split(separator: "\n", maxSplits: line, omittingEmptySubsequences: false)
        guard line >= 1, line <= lines.count else { return false }
        return lines[line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
    }
}
