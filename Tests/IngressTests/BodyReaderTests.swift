// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Ingress

struct BodyReaderTests {
    private static let next = "GET / HTTP/1.1\r\n"

    static let complete = [
        "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "a\r\n0123456789\r\n00\r\n\r\n", "1;a=b\r\nx\r\n0;z\r\n\r\n",
        "3\r\n\r\n\r\r\n0\r\nTrailer: value\r\nOther:\r\n\r\n", "A\r\n0123456789\r\n1\r\n0\r\n0\r\n\r\n",
    ]

    @Test(arguments: complete)
    func aChunkedBodyEndsExactlyAtItsEndHoweverItArrives(_ body: String) {
        let bytes = Array((body + Self.next).utf8)
        for portionMax in [1, 2, 3, 7, bytes.count] {
            for seed in 1...20 as ClosedRange<UInt64> {
                var generator = SeededGenerator(seed)
                var reader = BodyReader(.chunked)
                var start = 0
                while start < bytes.count, !reader.isDone {
                    let end = min(bytes.count, start + Int.random(in: 1...portionMax, using: &generator))
                    guard let count = withBytes(bytes[start..<end], { reader.consume($0) }) else {
                        Issue.record("refused at \(start), seed \(seed), portions up to \(portionMax)")
                        break
                    }
                    #expect(count == end - start || reader.isDone)
                    start += count
                }
                #expect(reader.isDone)
                #expect(start == body.utf8.count, "seed \(seed), portions up to \(portionMax)")
            }
        }
    }

    static let malformed = [
        "x\r\n", "\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "5\nhello\r\n", "5\r\nhello0\r\n", "5\r\nhello\n0\r\n",
        "5\r\nhello\r0\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1000000000000000\r\n", "5;a\nb\r\n", "5;a\0\r\n",
        "5\rhello", "0\r\n\n", "0\r\n\r\r", "0\r\n folded: x\r\n", "0\r\nno colon\r\n", "0\r\n: x\r\n",
        "0\r\nX: a\nb\r\n", "0\r\nX: a\0\r\n", "5;" + String(repeating: "a", count: 2_000),
        "0\r\n" + String(repeating: "X: y\r\n", count: 2_000),
    ]

    @Test(arguments: malformed)
    func aChunkedBodyThatCouldBeReadInTwoWaysIsRefused(_ body: String) {
        for portion in [1, body.utf8.count] {
            var reader = BodyReader(.chunked)
            let bytes = Array(body.utf8)
            let isRefused = stride(from: 0, to: bytes.count, by: portion).contains { start in
                withBytes(bytes[start..<min(bytes.count, start + portion)]) { reader.consume($0) } == nil
            }
            #expect(isRefused)
        }
    }

    @Test func aBodyOfKnownLengthTakesNoMore() {
        var reader = BodyReader(.length(5))
        let first = withBytes("hel") { reader.consume($0) }
        #expect(first == 3)
        #expect(!reader.isDone)
        let rest = ["lo" + Self.next, Self.next].map { text in withBytes(text) { reader.consume($0) } }
        #expect(reader.isDone)
        #expect(rest == [2, 0])
    }

    @Test func noBodyIsDoneFromTheStart() {
        #expect(BodyReader(.none).isDone)
        #expect(BodyReader(.length(0)).isDone)
        #expect(!BodyReader(.chunked).isDone)
        #expect(!BodyReader(.untilClose).isDone)
    }
}
