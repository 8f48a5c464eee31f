// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ControlPanel

@Suite struct JSONTests {
    @Test func readsEveryKindOfValue() throws {
        let text = #" {"a": [1, -2.5e+3, true, false, null], "b": {"c": "x\n\u00e9\ud83d\ude00\/"}} "#
        let expected = JSON.object([
            .init(name: "a", value: .array([.number("1"), .number("-2.5e+3"), .bool(true), .bool(false), .null])),
            .init(name: "b", value: .object([.init(name: "c", value: .string("x\né😀/"))])),
        ])
        #expect(try JSONParser.parse(Array(text.utf8)) == expected)
    }

    @Test(arguments: [
        (#"{"set": {"NAME": {"value": tru}}}"#, "set.NAME.value"), (#"{"a": 1, "a": 2}"#, "a"), (#"{"a" 1}"#, "a"),
        (#"{"a": [1, 2,]}"#, "a.2"), (#"{"a": "\ud83d"}"#, "a"), (#"{"a": 01}"#, ""), ("{\"a\": \"\u{1}\"}", "a"),
        ("", ""), ("{", ""), ("{} x", ""), (#"{a: 1}"#, ""),
    ])
    func namesTheFieldThatIsWrong(text: String, field: String) {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
        #expect(error?.field == field)
    }

    @Test func textThatIsNotUTF8IsRefusedWithItsField() {
        let bytes = Array(#"{"set": {"NAME": {"value": "a"#.utf8) + [0xff, 0xfe] + Array(#""}}}"#.utf8)
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
        #expect(error?.field == "set.NAME.value")
        #expect(error?.message.contains("UTF-8") == true)
    }

    @Test func depthAndNumberOfValuesAreBounded() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(deep.utf8)) }
        let many = "[" + String(repeating: "1,", count: 10_000) + "1]"
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(many.utf8)) }
    }
}

@Suite struct JSONFieldsTests {
    private func problems(_ text: String, _ read: (inout JSONFields) -> Void) throws -> [Problem.Field] {
        var fields = try JSONFields(body: Array(text.utf8))
        read(&fields)
        do {
            try fields.finish()
            return []
        } catch let problem as Problem {
            #expect(problem.status == .unprocessableContent)
            return problem.errors
        }
    }

    @Test func allProblemsAreReportedTogether() throws {
        let found = try problems(#"{"nmae": "x", "count": "many", "flag": 1}"#) { fields in
            _ = fields.slug("name")
            _ = fields.optionalInt("count", in: 1...3)
            _ = fields.bool("flag", default: false)
        }
        #expect(found.map(\.field) == ["name", "count", "flag", "nmae"])
    }

    @Test func unknownFieldsAreNamedWithWhatIsKnown() throws {
        let found = try problems(#"{"name": "acme", "color": "red"}"#) { _ = $0.slug("name") }
        #expect(found == [.init(field: "color", message: "is unknown, expected name")])
    }

    @Test func nullIsAsAbsent() throws {
        #expect(try problems(#"{"count": null}"#) { _ = $0.optionalInt("count", in: 1...3) }.isEmpty)
    }

    @Test(arguments: ["[]", "1", "\"x\""])
    func aBodyThatIsNoObjectIsRefused(text: String) {
        #expect(throws: Problem.self) { try JSONFields(body: Array(text.utf8)) }
    }

    @Test func labelsHoldNoControlCharacters() throws {
        let found = try problems("{\"name\": \"a\\u0000b\"}") { _ = $0.label("name") }
        #expect(found.map(\.field) == ["name"])
    }
}
