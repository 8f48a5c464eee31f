// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Ingress

struct RequestHeadTests {
    struct Refused: Sendable, CustomTestStringConvertible {
        let lines: String
        let error: HeadError
        var testDescription: String { "\(lines.debugDescription): \(error)" }

        init(_ lines: String, _ error: HeadError) {
            self.lines = lines
            self.error = error
        }
    }

    /// Each is a head less its last, empty line.
    static let refused: [Refused] = [
        Refused("GET / HTTP/1.1\r\n", .missingHost),
        Refused("GET / HTTP/1.0\r\n", .missingHost),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", .duplicateHost),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n", .duplicateHost),
        Refused("GET / HTTP/1.1\r\nHost:\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: a b\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: a,b\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: user@a\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: a:b\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: a:123456\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: [::1\r\n", .malformedHost),
        Refused("GET / HTTP/1.1\r\nHost: .\r\n", .malformedHost),
        Refused("GET http://a@b/ HTTP/1.1\r\nHost: b\r\n", .malformedHost),
        Refused("GET http:///x HTTP/1.1\r\nHost: b\r\n", .malformedHost),
        Refused("GET http://a/ HTTP/1.1\r\n", .missingHost),
        Refused("GET http://a/ HTTP/1.1\r\nHost: a b\r\n", .malformedHost),
        Refused("GET  / HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("GET /  HTTP/1.1\r\nHost: a\r\n", .malformedRequestLine),
        Refused("GET / HTTP/1.1 \r\nHost: a\r\n", .malformedRequestLine),
        Refused(" GET / HTTP/1.1\r\nHost: a\r\n", .malformedRequestLine),
        Refused("G(T / HTTP/1.1\r\nHost: a\r\n", .malformedRequestLine),
        Refused("GET\t/\tHTTP/1.1\r\nHost: a\r\n", .malformedRequestLine),
        Refused("GET /\r\nHost: a\r\n", .malformedRequestLine),
        Refused("GET / http/1.1\r\nHost: a\r\n", .malformedRequestLine),
        Refused("GET / HTTP/2.0\r\nHost: a\r\n", .unsupportedVersion),
        Refused("GET / HTTP/1.2\r\nHost: a\r\n", .unsupportedVersion),
        Refused("GET /#x HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("GET /é HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("GET a HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("GET * HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n", .malformedTarget),
        Refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n", .connectRefused),
        Refused("GET / HTTP/1.1\r\nHost : a\r\n", .spaceBeforeColon),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nX\t: y\r\n", .spaceBeforeColon),
        Refused("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", .foldedField),
        Refused("GET / HTTP/1.1\r\n Host: a\r\n", .foldedField),
        Refused("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n", .foldedField),
        Refused("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n", .malformedFieldName),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n", .spaceBeforeColon),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n", .malformedFieldName),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n", .malformedFieldName),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n", .malformedFieldValue),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n", .malformedFieldValue),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}\r\n", .malformedFieldValue),
        Refused("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n", .malformedFieldName),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", .duplicateContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-length: 2\r\n", .duplicateContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n", .malformedContentLength),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n", .disguisedField),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n", .disguisedField),
        Refused(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            .lengthAndTransferEncoding),
        Refused(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            .lengthAndTransferEncoding),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n", .unsupportedTransferEncoding),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", .unsupportedTransferEncoding),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n", .unsupportedTransferEncoding),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n", .unsupportedTransferEncoding),
        Refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n", .malformedFieldValue),
        Refused(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            .unsupportedTransferEncoding),
        Refused(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            .unsupportedTransferEncoding),
        Refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", .transferEncodingInHTTP10),
        Refused("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n", .malformedConnection),
        Refused(
            "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: IngressLimits.fieldsMax),
            .tooManyFields),
    ]

    @Test(arguments: refused)
    func aHeadThatCouldBeReadInTwoWaysIsRefused(_ head: Refused) {
        #expect(request(head.lines + "\r\n") == .failure(head.error))
    }

    @Test(arguments: [
        ("a.example", "a.example"), ("A.Example.:8080", "a.example"), ("a:", "a"), ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "[::1]"), ("a_b.c-d", "a_b.c-d"),
    ])
    func theHostnameIsInLowerCaseWithoutPortAndTrailingDot(_ host: String, _ hostname: String) throws {
        #expect(try request("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").get().hostname == hostname)
    }

    @Test func theFramingIsThatOfTheOneFieldThatTellsIt() throws {
        let start = "POST / HTTP/1.1\r\nHost: a\r\n"
        #expect(try request(start + "\r\n").get().framing == .none)
        #expect(try request(start + "Content-Length: 12\r\n\r\n").get().framing == .length(12))
        #expect(try request(start + "transfer-encoding:  CHUNKED \r\n\r\n").get().framing == .chunked)
    }

    @Test func anAbsoluteTargetNamesTheHost() throws {
        let text = "GET http://Real.example/path?q HTTP/1.1\r\nHost: other.example\r\n\r\n"
        let head = try request(text).get()
        #expect(head.hostname == "real.example")
        #expect(head.isAbsoluteForm)
        #expect(withBytes(text) { $0.text(head.target) } == "/path?q")
    }

    @Test(arguments: [
        ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive, Close\r\n", false), ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true), ("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false),
    ])
    func aConnectionIsKeptAsItsVersionAndOptionsSay(_ version: String, _ fields: String, _ keepsAlive: Bool) throws {
        #expect(try request("GET / \(version)\r\nHost: a\r\n\(fields)\r\n").get().keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", true), ("Upgrade: websocket\r\n", false),
        ("Connection: upgrade\r\n", false), ("Connection: upgrade\r\nUpgrade: h2c\r\n", false),
        ("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", false),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", false),
    ])
    func aSwitchOfProtocolsIsOfferedOnlyWhereItCanBeTunnelled(_ fields: String, _ isUpgrade: Bool) throws {
        #expect(try request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").get().isUpgrade == isUpgrade)
    }

    @Test func everyPrefixOfAHeadIsIncompleteAndTheWholeIsFoundInAnyPortions() {
        let text = "GET /some/path HTTP/1.1\r\nHost: a.example\r\nX-Long: 0123456789abcdef\r\n\r\n"
        let bytes = Array(text.utf8)
        for seed in 1...50 as ClosedRange<UInt64> {
            var generator = SeededGenerator(seed)
            var scanner = HeadScanner()
            var end = 0
            while end < bytes.count {
                end = min(bytes.count, end + Int.random(in: 1...9, using: &generator))
                let result = withBytes(bytes[..<end]) { scanner.scan($0) }
                #expect(result == (end == bytes.count ? .complete(length: end) : .incomplete), "seed \(seed)")
            }
        }
    }

    @Test(arguments: ["\nGET", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"])
    func aBareLineFeedIsFound(_ text: String) {
        var scanner = HeadScanner()
        let result = withBytes(text) { scanner.scan($0) }
        #expect(result == .bareLineFeed)
    }

    /// Whatever comes, the parser answers: damaged heads of many kinds, from seeds 1 to 2000.
    @Test func damagedHeadsNeverTrap() {
        let text = Array(
            "POST http://a.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nContent-Length: 5\r\n\r\n".utf8)
        for seed in 1...2_000 as ClosedRange<UInt64> {
            var generator = SeededGenerator(seed)
            var damaged = text
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<damaged.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: damaged.remove(at: place)
                default: damaged.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                }
            }
            var scanner = HeadScanner()
            withBytes(damaged) { bytes in
                guard case .complete(let length) = scanner.scan(bytes), length > 2 else { return }
                _ = RequestHead.parse(bytes, length: length)
                _ = ResponseHead.parse(bytes, length: length, isToHead: false)
            }
        }
    }
}
