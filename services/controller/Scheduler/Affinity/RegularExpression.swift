// SPDX-License-Identifier: Apache-2.0

/// A regular expression whose matching takes time proportional to the text, whatever the expression: it is run as a
/// nondeterministic automaton without backtracking, so no expression of a user can hold up the scheduler.
/// Source: Ken Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968.
///
/// Known are characters, `.`, `[a-z]`, `[^a-z]`, `\d \w \s \D \W \S`, escapes, groups, `|`, `*`, `+`, `?`, `^` and
/// `$`. Not known are back references, look-around and counted repetition, which do not fit that bound.
struct RegularExpression: Hashable, Sendable {
    let source: String
    private let program: [Instruction]

    /// Jumps are relative to the instruction, so that pieces can be put together without being rewritten.
    enum Instruction: Sendable {
        case one(CharacterClass)
        case jump(Int)
        case split(Int, Int)
        case begin
        case end
    }

    struct SyntaxError: Error {
        /// Characters before the mistake.
        let offset: Int
        let message: String
    }

    init(_ source: String) throws(SyntaxError) {
        self.source = source
        var compiler = RegularExpressionCompiler(source)
        program = try compiler.compile()
    }

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.source == rhs.source }
    func hash(into hasher: inout Hasher) { hasher.combine(source) }

    /// Whether it matches somewhere in the text; `^` and `$` bind it to the ends.
    func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        // Behind the places that accepted the character before; a match may also begin anew at each position.
        var open: [Int] = []
        for position in 0...scalars.count {
            open.append(0)
            let isAtEnds = (position == 0, position == scalars.count)
            guard let waiting = follow(&open, isAtBegin: isAtEnds.0, isAtEnd: isAtEnds.1) else { return true }
            guard position < scalars.count else { break }
            for place in waiting {
                if case .one(let accepted) = program[place], accepted.contains(scalars[position]) {
                    open.append(place + 1)
                }
            }
        }
        return false
    }

    /// Follows jumps from the open places, each place once, to those that wait for a character; `nil` when the end of
    /// the program is reached.
    private func follow(_ open: inout [Int], isAtBegin: Bool, isAtEnd: Bool) -> [Int]? {
        var waiting: [Int] = []
        var isSeen = Array(repeating: false, count: program.count)
        while let place = open.popLast() {
            guard place < program.count else { return nil }
            if isSeen[place] { continue }
            isSeen[place] = true
            switch program[place] {
            case .one: waiting.append(place)
            case .jump(let distance): open.append(place + distance)
            case .split(let first, let second): open += [place + first, place + second]
            case .begin: if isAtBegin { open.append(place + 1) }
            case .end: if isAtEnd { open.append(place + 1) }
            }
        }
        return waiting
    }
}

/// The characters that one place of an expression accepts.
struct CharacterClass: Hashable, Sendable {
    var ranges: [ClosedRange<Unicode.Scalar>]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        ranges.contains { $0.contains(scalar) } != isNegated
    }

    static let digits = CharacterClass(ranges: ["0"..."9"])
    static let wordCharacters = CharacterClass(ranges: ["a"..."z", "A"..."Z", "0"..."9", "_"..."_"])
    static let blanks = CharacterClass(ranges: [" "..." ", "\t"..."\r"])
    static let all = CharacterClass(ranges: [], isNegated: true)
}
