// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Scheduler

struct RegularExpressionTests {
    @Test(arguments: [
        ("web", ["web", "web-1", "my-web"], ["we", "", "WEB"]),
        ("^web$", ["web"], ["web-1", "my-web"]),
        ("^$", [""], ["a"]),
        ("a*", ["", "b", "aa"], []),
        ("^a+$", ["a", "aaa"], ["", "ab"]),
        ("^ab?c$", ["ac", "abc"], ["abbc"]),
        ("^(web|api)-[0-9]+$", ["web-1", "api-22"], ["db-1", "web-", "web-1x"]),
        ("^[^a-c]$", ["d", "-"], ["a", "b", ""]),
        ("^[]a-]+$", ["]", "a-]"], ["b"]),
        ("^\\d\\w\\s$", ["1a ", "2_\t"], ["aa ", "11"]),
        ("^\\D\\W\\S$", ["a-a"], ["1-a", "aaa"]),
        ("^a\\.b$", ["a.b"], ["axb"]),
        ("^.$", ["a", "é", "."], ["", "ab"]),
        ("^(?:a|b)*c$", ["c", "abac"], ["abad"]),
        ("^(a*)*$", ["", "aaa"], ["b"]),
        ("^(|a)+$", ["", "aa"], ["b"]),
        ("a|", ["", "b"], []),
        ("^[\\d.]+$", ["1.2"], ["1-2"]),
        ("^a+?$", ["aa"], ["b"]),
        ("^(^a|b$)$", ["a", "b"], ["ab"]),
        ("é+", ["caféé"], ["cafe"]),
    ])
    func anExpressionMatches(_ source: String, _ matching: [String], _ others: [String]) throws {
        let expression = try RegularExpression(source)
        for text in matching { #expect(expression.matches(text), "\(text)") }
        for text in others { #expect(!expression.matches(text), "\(text)") }
    }

    @Test(arguments: [
        ("", 0), ("*a", 0), ("a|+", 2), ("(a", 0), ("a)", 1), ("[a", 0), ("[", 0), ("[b-a]", 4), ("a**", 2), ("a*+", 2),
        ("\\", 1), ("a\\b", 2), ("\\1", 1), ("(?=a)", 2), ("a{2}", 1), ("[\\W]", 3),
    ])
    func aMistakeIsFoundWhereItIs(_ source: String, _ offset: Int) {
        #expect { try RegularExpression(source) } throws: { error in
            (error as? RegularExpression.SyntaxError)?.offset == offset
        }
    }

    @Test func whatIsTooLongOrTooDeepIsRefused() {
        #expect(throws: RegularExpression.SyntaxError.self) {
            try RegularExpression(String(repeating: "a", count: 129))
        }
        let deep = String(repeating: "(", count: 17) + String(repeating: ")", count: 17)
        #expect(throws: RegularExpression.SyntaxError.self) { try RegularExpression(deep) }
    }

    /// Each of them takes a backtracking matcher longer than the age of the universe.
    @Test(arguments: ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(a*)*b", "(.*)(.*)(.*)(.*)(.*)x$", "^((a?)(a?)(a?))*b"])
    func anExpressionThatWouldMakeBacktrackingExplodeTakesLinearTime(_ source: String) throws {
        let expression = try RegularExpression(source)
        #expect(!expression.matches(String(repeating: "a", count: 5000) + "!"))
    }

    /// Groups are one deep: the standard library backtracks, and some deeper ones would keep it for minutes.
    @Test func itAgreesWithTheStandardLibrary() {
        forEachSeed(from: 6_000_000, 500) { seed in
            var generator = Seeded(seed)
            let source = Self.source(depth: 1, using: &generator)
            guard source.count <= SchedulerLimits.expressionLengthMax else { return }
            let ours = try RegularExpression(source)
            let theirs = try Regex(source)
            for _ in 0..<8 {
                let length = Int.random(in: 0...6, using: &generator)
                let text = String((0..<length).map { _ in generator.pick(["a", "b", "c"]) as Character })
                let expected = try theirs.firstMatch(in: text) != nil
                try hold(ours.matches(text) == expected, "/\(source)/ on `\(text)` is \(expected)")
            }
        }
    }

    private static func source(depth: Int, using generator: inout Seeded) -> String {
        func atom() -> String {
            switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
            case 0: "."
            case 1: "[ab]"
            case 2: "[^b]"
            case 3, 4: generator.pick(["a", "b", "c"])
            default: "(\(source(depth: depth - 1, using: &generator)))"
            }
        }
        func sequence() -> String {
            (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                atom() + generator.pick(["", "", "*", "+", "?"])
            }.joined()
        }
        let begin = generator.chance(20) ? "^" : ""
        let end = generator.chance(20) ? "$" : ""
        return begin + sequence() + (generator.chance(25) ? "|" + sequence() : "") + end
    }
}
