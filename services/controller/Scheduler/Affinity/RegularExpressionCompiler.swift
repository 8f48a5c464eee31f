// SPDX-License-Identifier: Apache-2.0

/// Turns the text of an expression into a program, by recursive descent. The program has at most two instructions
/// for each character, since nothing is repeated by being copied.
struct RegularExpressionCompiler {
    typealias Instruction = RegularExpression.Instruction
    typealias SyntaxError = RegularExpression.SyntaxError

    private let characters: [Character]
    private var index = 0
    private var depth = 0

    init(_ source: String) { characters = Array(source) }

    mutating func compile() throws(SyntaxError) -> [Instruction] {
        guard !characters.isEmpty else { throw error("an expression cannot be empty") }
        guard characters.count <= SchedulerLimits.expressionLengthMax else {
            throw error(
                "the expression has \(characters.count) characters: "
                    + "at most \(SchedulerLimits.expressionLengthMax) are possible")
        }
        let program = try alternatives()
        guard index == characters.count else { throw error("`)` closes nothing: escape it as \\)") }
        return program
    }

    private mutating func alternatives() throws(SyntaxError) -> [Instruction] {
        let first = try sequence()
        guard skip("|") else { return first }
        let second = try alternatives()
        return [.split(1, first.count + 2)] + first + [.jump(second.count + 1)] + second
    }

    private mutating func sequence() throws(SyntaxError) -> [Instruction] {
        var program: [Instruction] = []
        while let next = peek, next != "|", next != ")" { program += try repeated() }
        return program
    }

    private mutating func repeated() throws(SyntaxError) -> [Instruction] {
        let piece = try atom()
        let count = piece.count
        let program: [Instruction]
        switch peek {
        case "*": program = [.split(1, count + 2)] + piece + [.jump(-(count + 1))]
        case "+": program = piece + [.split(-count, 1)]
        case "?": program = [.split(1, count + 1)] + piece
        default: return piece
        }
        index += 1
        // A lazy repetition matches the same texts.
        _ = skip("?")
        if let next = peek, "*+?".contains(next) { throw error("`\(next)` repeats a repetition: put it in a group") }
        return program
    }

    private mutating func atom() throws(SyntaxError) -> [Instruction] {
        guard let character = peek else { return [] }
        switch character {
        case "(": return try group()
        case "[": return [.one(try bracket())]
        case "\\": return [.one(try escape())]
        case "*", "+", "?": throw error("`\(character)` has nothing to repeat: escape it as \\\(character)")
        case "{", "}": throw error("`\(character)` is not known: repeat what is meant, or write \\\(character)")
        default: break
        }
        index += 1
        return switch character {
        case ".": [.one(.all)]
        case "^": [.begin]
        case "$": [.end]
        default: character.unicodeScalars.map { .one(CharacterClass(ranges: [$0...$0])) }
        }
    }

    private mutating func group() throws(SyntaxError) -> [Instruction] {
        let start = index
        index += 1
        depth += 1
        guard depth <= SchedulerLimits.expressionDepthMax else { throw error("groups are too deep within one another") }
        if skip("?"), !skip(":") { throw error("of the groups that begin with (? only (?: is known") }
        let program = try alternatives()
        guard skip(")") else { throw SyntaxError(offset: start, message: "`(` is not closed") }
        depth -= 1
        return program
    }

    private mutating func bracket() throws(SyntaxError) -> CharacterClass {
        let start = index
        index += 1
        var accepted = CharacterClass(ranges: [])
        accepted.isNegated = skip("^")
        repeat {
            guard let low = peek else { throw SyntaxError(offset: start, message: "`[` is not closed") }
            let first = try bracketMember(low)
            guard let firstScalar = first.single, index + 1 < characters.count, characters[index] == "-",
                characters[index + 1] != "]"
            else {
                guard !first.isNegated else { throw error("\\D, \\W and \\S cannot be in brackets") }
                accepted.ranges += first.ranges
                continue
            }
            index += 1
            let last = try bracketMember(characters[index])
            guard let lastScalar = last.single, firstScalar <= lastScalar else {
                throw error("the range is upside down")
            }
            accepted.ranges.append(firstScalar...lastScalar)
        } while peek != "]"
        index += 1
        return accepted
    }

    private mutating func bracketMember(_ character: Character) throws(SyntaxError) -> CharacterClass {
        if character == "\\" { return try escape() }
        guard let scalar = character.unicodeScalars.first, character.unicodeScalars.count == 1 else {
            throw error("`\(character)` is more than one code point and cannot be in brackets")
        }
        index += 1
        return CharacterClass(ranges: [scalar...scalar])
    }

    private mutating func escape() throws(SyntaxError) -> CharacterClass {
        index += 1
        guard let character = peek, let scalar = character.unicodeScalars.first else {
            throw error("`\\` escapes nothing")
        }
        let accepted: CharacterClass? =
            switch character.lowercased() {
            case "d": .digits
            case "w": .wordCharacters
            case "s": .blanks
            default: nil
            }
        if accepted == nil, character.isLetter || character.isNumber { throw error("`\\\(character)` is not known") }
        index += 1
        guard var accepted else { return CharacterClass(ranges: [scalar...scalar]) }
        accepted.isNegated = character.isUppercase
        return accepted
    }

    private var peek: Character? { index < characters.count ? characters[index] : nil }

    private mutating func skip(_ character: Character) -> Bool {
        guard peek == character else { return false }
        index += 1
        return true
    }

    private func error(_ message: String) -> SyntaxError { SyntaxError(offset: index, message: message) }
}

extension CharacterClass {
    /// The one character it accepts, if it is one.
    fileprivate var single: Unicode.Scalar? {
        guard !isNegated, ranges.count == 1, let range = ranges.first, range.lowerBound == range.upperBound
        else { return nil }
        return range.lowerBound
    }
}
