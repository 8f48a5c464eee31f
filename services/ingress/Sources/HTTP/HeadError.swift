// SPDX-License-Identifier: Apache-2.0

/// Why a head is not taken. Nothing is repaired: what two programs may read differently is refused.
enum HeadError: String, Error, Equatable, Sendable {
    case tooLarge = "the head is too large"
    case tooManyFields = "there are too many header fields"
    case bareLineFeed = "a line ends without a carriage return"
    case emptyHead = "an empty line stands where a request is expected"
    case malformedRequestLine = "the request line is not \"method target HTTP/1.1\""
    case malformedTarget = "the request target is malformed; percent-encode what is not plain ASCII"
    case unsupportedVersion = "only HTTP/1.0 and HTTP/1.1 are spoken here"
    case connectRefused = "CONNECT is not offered"
    case foldedField = "a header field is continued on a second line"
    case spaceBeforeColon = "a space stands before the colon of a header field"
    case malformedFieldName = "the name of a header field is malformed"
    case malformedFieldValue = "a header field holds a control character"
    case disguisedField = "a header field that frames the message has an underscore for a hyphen"
    case missingHost = "the Host header is missing"
    case duplicateHost = "there is more than one Host header"
    case malformedHost = "the host is malformed"
    case duplicateContentLength = "there is more than one Content-Length"
    case malformedContentLength = "Content-Length is not one decimal number"
    case unsupportedTransferEncoding = "Transfer-Encoding is not exactly \"chunked\""
    case lengthAndTransferEncoding = "Content-Length and Transfer-Encoding are both present"
    case transferEncodingInHTTP10 = "Transfer-Encoding is not defined for HTTP/1.0"
    case malformedConnection = "the Connection header is malformed"
    case malformedStatusLine = "the status line is malformed"
    case unexpectedSwitch = "the protocol was switched unasked"
    case malformedBody = "the chunked body is malformed"

    var status: Int {
        switch self {
        case .tooLarge, .tooManyFields: 431
        case .unsupportedVersion: 505
        case .connectRefused: 405
        default: 400
        }
    }
}
