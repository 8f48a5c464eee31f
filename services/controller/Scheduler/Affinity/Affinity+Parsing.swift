// SPDX-License-Identifier: Apache-2.0

extension Affinity {
    /// Parses one rule. The error names the column, counted from 1, and what to write there.
    public init(_ text: String) throws(SchedulerError) {
        var parser = AffinityParser(text)
        self = try parser.parse()
    }
}

/// Reads `key operator value` from left to right.
private struct AffinityParser {
    private let text: String
    private let characters: [Character]
    private var index = 0

    init(_ text: String) {
        self.text = text
        characters = Array(text)
    }

    mutating func parse() throws(SchedulerError) -> Affinity {
        guard text.utf8.count <= SchedulerLimits.affinityLengthMax else {
            throw SchedulerError(
                .invalidAffinity,
                "affinity `\(text.prefix(20))…` has \(text.utf8.count) bytes: "
                    + "at most \(SchedulerLimits.affinityLengthMax) are possible")
        }
        let key = word()
        guard ["node", "zone", "label", "service"].contains(key) else {
            throw error(
                at: 0,
                key.isEmpty
                    ? "a rule begins with node, zone, label or service, as in zone==a"
                    : "`\(key)` is none of node, zone, label and service")
        }
        let isNegated = try comparison()
        let isSoft = skip("~")
        let subject: Affinity.Subject =
            switch key {
            case "node": .node
            case "zone": .zone
            case "label": .label(try labelName())
            default: .service
            }
        let pattern: Pattern
        if case .label = subject, !skip("=") { pattern = .any } else { pattern = try value() }
        return Affinity(text: text, isSoft: isSoft, isNegated: isNegated, subject: subject, pattern: pattern)
    }

    private mutating func word() -> String {
        let start = index
        while index < characters.count, characters[index].isLetter { index += 1 }
        return String(characters[start..<index])
    }

    /// `==` is false, `!=` true.
    private mutating func comparison() throws(SchedulerError) -> Bool {
        let start = index
        if skip("="), skip("=") { return false }
        if index == start, skip("!"), skip("=") { return true }
        throw error(at: start, "expected == or !=, with ~ behind it for a wish instead of a demand")
    }

    private mutating func labelName() throws(SchedulerError) -> String {
        let start = index
        while index < characters.count, characters[index] != "=" { try skipNameCharacter() }
        guard index > start else { throw error(at: start, "expected the name of a label, as in label==disk=ssd") }
        return String(characters[start..<index])
    }

    private mutating func value() throws(SchedulerError) -> Pattern {
        let start = index
        guard start < characters.count else {
            throw error(at: start, "expected a name, or an expression as in /^web-/")
        }
        guard characters[start] == "/" else {
            while index < characters.count { try skipNameCharacter() }
            return .literal(String(characters[start...]))
        }
        guard characters.count > start + 1, characters.last == "/", !isEscaped(characters.count - 1) else {
            throw error(at: characters.count, "expected the / that ends the expression begun in column \(start + 1)")
        }
        do {
            return .expression(try RegularExpression(String(characters[(start + 1)..<(characters.count - 1)])))
        } catch {
            throw self.error(at: start + 1 + error.offset, error.message)
        }
    }

    private func isEscaped(_ position: Int) -> Bool {
        let backslashes = characters[..<position].reversed().prefix { $0 == "\\" }.count
        return backslashes % 2 == 1
    }

    private mutating func skipNameCharacter() throws(SchedulerError) {
        let character = characters[index]
        guard character.isASCII, character.isLetter || character.isNumber || "-_.:/@".contains(character) else {
            throw error(
                at: index,
                character.isWhitespace
                    ? "a rule has no blanks"
                    : "`\(character)` cannot be in a name; an expression stands in slashes, as in /^web-/")
        }
        index += 1
    }

    private mutating func skip(_ character: Character) -> Bool {
        guard index < characters.count, characters[index] == character else { return false }
        index += 1
        return true
    }

    private func error(at position: Int, _ problem: String) -> SchedulerError {
        SchedulerError(.invalidAffinity, "affinity `\(text)`, column \(position + 1): \(problem)")
    }
}
