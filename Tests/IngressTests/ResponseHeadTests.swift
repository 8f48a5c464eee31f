// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Ingress

struct ResponseHeadTests {
    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", false, BodyFraming.length(3)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", false, .chunked),
        ("HTTP/1.1 200 OK\r\n", false, .untilClose), ("HTTP/1.0 200 OK\r\n", false, .untilClose),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", true, .none),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n", false, .none),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n", false, .none),
        ("HTTP/1.1 100 Continue\r\n", false, .none),
    ])
    func theFramingFollowsStatusMethodAndFields(_ lines: String, _ isToHead: Bool, _ framing: BodyFraming) throws {
        #expect(try response(lines + "\r\n", isToHead: isToHead).get().framing == framing)
    }

    @Test(arguments: [
        ("HTTP/1.1 20 OK\r\n", HeadError.malformedStatusLine), ("HTTP/1.1 2000 OK\r\n", .malformedStatusLine),
        ("HTTP/1.1 600 OK\r\n", .malformedStatusLine), ("HTTP/2.0 200 OK\r\n", .malformedStatusLine),
        ("HTTP/1.1  200 OK\r\n", .malformedStatusLine), ("200 OK\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 O\0K\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n", .duplicateContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", .lengthAndTransferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", .unsupportedTransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", .transferEncodingInHTTP10),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n", .foldedField),
    ])
    func aMalformedResponseIsRefused(_ lines: String, _ error: HeadError) {
        #expect(response(lines + "\r\n") == .failure(error))
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", true), ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n", false),
    ])
    func aConnectionIsKeptOnlyWhenItsNextResponseCanBeTold(_ lines: String, _ keepsAlive: Bool) throws {
        #expect(try response(lines + "\r\n").get().keepsAlive == keepsAlive)
    }

    @Test func aReasonMayBeMissing() throws {
        #expect(try response("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").get().status == 200)
        #expect(try response("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").get().status == 200)
    }
}
