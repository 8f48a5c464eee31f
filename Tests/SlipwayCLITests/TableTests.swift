// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct TableTests {
    @Test func columnsAreAsWideAsTheirWidestCell() {
        var table = Table("NAME", "STATE")
        table.add(.init("a"), .init("running"))
        table.add(.init("longer-name"), .init("ok"))
        #expect(
            table.rendered() == """
                NAME         STATE
                a            running
                longer-name  ok
                """)
    }

    @Test func widthIsWhatTheTerminalShows() {
        var table = Table("A", "B")
        table.add(.init("日本"), .init("1"))
        table.add(.init("e\u{301}"), .init("2"))
        table.add(.init("🚢"), .init("3"))
        #expect(
            table.rendered() == """
                A     B
                日本  1
                e\u{301}     2
                🚢    3
                """)
    }

    @Test func aMissingValueIsAHyphenAndNoLineEndsWithSpaces() {
        var table = Table("A", "B")
        table.add(.init("x"), .init(nil))
        table.add(.init("y"), .init(""))
        #expect(table.rendered() == "A  B\nx  -\ny  -")
    }

    @Test func lineBreaksAndEscapesInACellCannotBreakTheTable() {
        var table = Table("MESSAGE")
        table.add(.init("one\ntwo\u{1b}[2J\u{7}"))
        #expect(table.rendered() == "MESSAGE\none two")
    }

    @Test func coloursDoNotCountAsWidth() {
        var table = Table("A", "B")
        table.add(.init("ok", .green), .init("1"))
        let lines = table.rendered(TextStyling(isEnabled: true)).split(separator: "\n")
        #expect(lines == ["\u{1b}[1mA\u{1b}[0m   \u{1b}[1mB\u{1b}[0m", "\u{1b}[32mok\u{1b}[0m  1"])
    }

    @Test func aTableWithoutRowsIsItsHeader() {
        #expect(Table("A", "B").rendered() == "A  B")
    }

    @Test func fieldsAreAlignedBehindTheLongestName() {
        var fields = Fields()
        fields.add("URL", "http://x")
        fields.add("Environment", nil)
        #expect(fields.rendered() == "URL          http://x\nEnvironment  -")
    }
}

struct TextStylingTests {
    @Test func colourIsForTerminalsWhoseUserWantsIt() {
        #expect(TextStyling(isTerminal: true, environment: [:]).isEnabled)
        #expect(TextStyling(isTerminal: true, environment: ["NO_COLOR": ""]).isEnabled)
        #expect(!TextStyling(isTerminal: false, environment: [:]).isEnabled)
        #expect(!TextStyling(isTerminal: true, environment: ["NO_COLOR": "1"]).isEnabled)
        #expect(!TextStyling(isTerminal: true, environment: ["TERM": "dumb"]).isEnabled)
    }
}

struct TerminalTextTests {
    @Test func colourIsKeptAndEndedWhereWanted() {
        let text = "\u{1b}[31mred\u{1b}[2J"
        #expect(TerminalText.safe(text, keepsColour: true) == "\u{1b}[31mred\u{1b}[0m")
        #expect(TerminalText.safe(text, keepsColour: false) == "red")
    }

    @Test(
        arguments: [
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("a\rb\u{8}", "ab"),
            ("\u{9b}31m", "31m"),
            ("tail\u{1b}", "tail"),
            ("tail\u{1b}[", "tail"),
            ("tab\tstays", "tab\tstays"),
        ])
    func everythingElseThatControlsTheTerminalGoes(text: String, expected: String) {
        #expect(TerminalText.safe(text, keepsColour: true) == expected)
    }
}
