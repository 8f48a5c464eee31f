// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct EventStreamParserTests {
    private func events(_ text: String) throws -> [EventStreamParser.Event] {
        var parser = EventStreamParser()
        return try parser.consume(Array(text.utf8))
    }

    @Test func anEventHasItsNameDataAndID() throws {
        #expect(
            try events("event: line\nid: 7\ndata: {\"a\":1}\n\n")
                == [.init(name: "line", data: "{\"a\":1}", id: "7")])
    }

    @Test func severalDataLinesAreJoinedByLineFeeds() throws {
        #expect(try events("data: one\ndata:two\ndata\n\n") == [.init(name: "message", data: "one\ntwo\n", id: nil)])
    }

    @Test(arguments: ["\n", "\r", "\r\n"])
    func everyLineEndingCounts(ending: String) throws {
        let text = ["event: a", "data: 1", "", "data: 2", "", ""].joined(separator: ending)
        #expect(
            try events(text) == [.init(name: "a", data: "1", id: nil), .init(name: "message", data: "2", id: nil)])
    }

    @Test func commentsAndUnknownFieldsSayNothing() throws {
        #expect(try events(": heartbeat\n\nretry: 5\nother: x\n\n").isEmpty)
    }

    @Test func theIDStaysUntilAnotherComes() throws {
        let ids = try events("id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n").map(\.id)
        #expect(ids == ["1", "1", "2"])
    }

    @Test func anIDWithANullIsIgnored() throws {
        #expect(try events("id: 1\0\ndata: a\n\n").map(\.id) == [nil])
    }

    @Test func aByteOrderMarkIsSkippedAtTheBeginningOnly() throws {
        #expect(try events("\u{feff}data: a\n\n").map(\.data) == ["a"])
        #expect(try events("data: a\n\u{feff}data: b\n\n").map(\.data) == ["a"])
    }

    @Test func anEventWithoutItsEmptyLineIsNotComplete() throws {
        #expect(try events("data: a\n").isEmpty)
    }

    @Test func aLineBeyondTheLimitIsRefused() {
        var parser = EventStreamParser()
        let bytes = [UInt8](repeating: 0x61, count: CLILimits.eventLineBytesMax + 1)
        #expect(throws: EventStreamParser.Failure.lineTooLong(limit: CLILimits.eventLineBytesMax)) {
            try parser.consume(bytes)
        }
    }

    @Test(arguments: UInt64(0)..<50)
    func piecesOfAnySizeGiveTheSameEvents(seed: UInt64) throws {
        let text = "\u{feff}event: line\r\nid: 1\r\ndata: grüße 🚢\r\n\r\n: beat\ndata: x\rdata: y\r\rid:2\ndata:\n\n"
        let bytes = Array(text.utf8)
        let whole = try events(text)
        var generator = SplitMix(state: seed)
        var parser = EventStreamParser()
        var collected: [EventStreamParser.Event] = []
        var index = 0
        while index < bytes.count {
            let end = min(bytes.count, index + Int.random(in: 1...7, using: &generator))
            collected += try parser.consume(bytes[index..<end])
            index = end
        }
        #expect(whole.count == 3)
        #expect(collected == whole, "seed \(seed)")
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
