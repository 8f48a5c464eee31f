// SPDX-License-Identifier: Apache-2.0

/// A checked response head of an instance, as places in its bytes.
struct ResponseHead: Equatable {
    let status: Int
    /// Status and reason, after `HTTP/1.x `.
    let statusText: Range<Int>
    let minorVersion: Int
    let fields: [HeadField]
    let framing: BodyFraming
    let connection: ConnectionOptions

    var isInterim: Bool { status < 200 && status != 101 }

    /// Whether the connection may carry another request after this response.
    var keepsAlive: Bool { minorVersion >= 1 && !connection.closes && framing != .untilClose }

    /// - Parameters:
    ///   - length: of the head at the beginning of `bytes`, as a `HeadScanner` found it.
    ///   - isToHead: the request was a HEAD.
    static func parse(_ bytes: CheckedBytes, length: Int, isToHead: Bool) -> Result<ResponseHead, HeadError> {
        do throws(HeadError) {
            return .success(try ResponseHead(bytes, length: length, isToHead: isToHead))
        } catch {
            return .failure(error)
        }
    }

    private init(_ bytes: CheckedBytes, length: Int, isToHead: Bool) throws(HeadError) {
        guard let lineFeed = bytes.firstLineFeed(from: 0), lineFeed >= 13 else { throw .malformedStatusLine }
        let lineEnd = lineFeed - 1
        if bytes.equals(0..<9, "HTTP/1.1 ") {
            minorVersion = 1
        } else if bytes.equals(0..<9, "HTTP/1.0 ") {
            minorVersion = 0
        } else {
            throw .malformedStatusLine
        }
        var status = 0
        for index in 9..<12 {
            guard ASCII.isDigit(bytes[index]) else { throw .malformedStatusLine }
            status = status * 10 + Int(bytes[index] - 0x30)
        }
        guard (100...599).contains(status), lineEnd == 12 || bytes[12] == ASCII.space else {
            throw .malformedStatusLine
        }
        for index in 12..<lineEnd where !ASCII.isFieldValue(bytes[index]) { throw .malformedStatusLine }

        let fields = try HeadField.parse(bytes, from: lineFeed + 1, to: length)
        var framing = FramingFields()
        var connection = ConnectionOptions()
        for field in fields {
            switch field.kind {
            case .contentLength: try framing.addContentLength(bytes, field.value)
            case .transferEncoding: try framing.addTransferEncoding(bytes, field.value)
            case .connection: try connection.add(bytes, field.value)
            case .host, .upgrade, .expect, .requestID, .hop, .forwarding, .other: break
            }
        }
        try framing.check(minorVersion: minorVersion)
        self.status = status
        statusText = 9..<lineEnd
        self.fields = fields
        self.framing = framing.ofResponse(status: status, isToHead: isToHead)
        self.connection = connection
    }
}
