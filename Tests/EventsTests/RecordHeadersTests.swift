// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Events

struct RecordHeadersTests {
    @Test func whatIsPutInComesOut() {
        var headers: RecordHeaders = ["ce_id": "1", "": "no name", "empty": "", "日本": "ключ 🚀"]
        #expect(headers.count == 4)
        #expect(headers.size == 5 + 1 + 7 + 5 + 6 + 8 + 1 + 4)
        #expect(headers["ce_id"] == "1" && headers[""] == "no name" && headers["empty"] == "")
        #expect(headers["日本"] == "ключ 🚀")
        #expect(headers["ce_i"] == nil && headers["ce_id2"] == nil && headers["none", default: "x"] == "x")
        headers["ce_id"] = "two"
        headers["new"] = String(repeating: "é", count: 40_000)
        headers["empty"] = nil
        headers["none"] = nil
        #expect(headers.map(\.key) == ["", "日本", "ce_id", "new"])
        #expect(headers["ce_id"] == "two" && headers["new"]?.utf8.count == 80_000)
    }

    @Test func nothingIsEmpty() {
        let headers: RecordHeaders = [:]
        #expect(headers.isEmpty && headers.isEmpty == RecordHeaders().isEmpty)
        #expect(headers.size == 0 && headers.dictionary.isEmpty)
        #expect(Array(headers.map(\.key)).isEmpty)
    }

    @Test func theOrderDoesNotMatter() {
        let one: RecordHeaders = ["a": "1", "b": "2"]
        let other: RecordHeaders = ["b": "2", "a": "1"]
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one != ["a": "1"] && one != ["a": "1", "b": "3"] && one != ["a": "1", "b": "2", "c": ""])
        // The same bytes, cut otherwise.
        #expect((["ab": "c"] as RecordHeaders) != ["a": "bc"])
    }

    @Test func theLastOfSeveralCounts() {
        let headers = RecordHeaders([(key: "a", value: "1"), ("b", "2"), ("a", "3")])
        #expect(headers["a"] == "3" && headers.count == 3)
        #expect(headers == ["a": "3", "b": "2"])
    }

    @Test func bytesThatAreNoTextAreRepaired() {
        let (name, value) = (Array("name".utf8), [0x61, 0xFF, 0x62] as [UInt8])
        let headers = RecordHeaders(packedSize: RecordHeaders.packedSize(name: name.count, value: value.count)) {
            writer in
            name.withUnsafeBytes { name in value.withUnsafeBytes { writer.append(name: name, value: $0) } }
        }
        #expect(headers["name"] == "a\u{FFFD}b")
    }
}
