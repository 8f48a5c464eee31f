// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Events

/// The cases are those on which parsers are known to differ (RFC 8259; "Parsing JSON is a Minefield").
struct JSONSyntaxTests {
    @Test(arguments: [
        "0", "-0", "-1.5e+10", "1E-2", "0.1", "12345678901234567890123", "true", "false", "null", "\"\"", " [ ] ", "{}",
        "[1,\t2,\n3]", #"{"a":{"b":[{},[]]},"c":null}"#, #""\"\\\/\b\f\n\r\t\u00fF""#, "\"ü☂😀\"", #"{"a":1,"a":2}"#,
        "\r\n1\r\n", "\"\u{7f}\"",
    ]) func valid(text: String) throws {
        #expect(JSONSyntax.isValid(Data(text.utf8)))
        _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    @Test(arguments: [
        "", " ", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1.e1", "0x1", "NaN", "Infinity", "tru", "True",
        "nul",
        "\"", "\"a", "'a'", "\"\\", "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "\"\n\"", "\"\t\"", "\"\u{0}\"", "[", "]",
        "[1",
        "[1,]", "[,1]", "[1 2]", "[1}", "{", "}", "{1:1}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a" 1}"#, #"{a:1}"#,
        #"{"a":1"#, "1 2", "{}{}", "[]]", "// 1", "\u{FEFF}1", "\u{A0}1",
    ]) func invalid(text: String) {
        #expect(!JSONSyntax.isValid(Data(text.utf8)), "\(text)")
    }

    @Test func whatIsNotUTF8IsRefused() {
        #expect(!JSONSyntax.isValid(Data([0x22, 0xFF, 0x22])))
        #expect(!JSONSyntax.isValid(Data([0x22, 0xC0, 0xAF, 0x22])))
    }

    @Test func depthIsBounded() {
        func nested(_ depth: Int) -> Data {
            Data((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        #expect(JSONSyntax.isValid(nested(JSONSyntax.depthMax)))
        #expect(!JSONSyntax.isValid(nested(JSONSyntax.depthMax + 1)))
        #expect(!JSONSyntax.isValid(nested(1_000_000)))
    }
}
