// SPDX-License-Identifier: Apache-2.0

/// A checked request head, as places in its bytes.
struct RequestHead: Equatable {
    let method: Method
    let methodName: Range<Int>
    /// What goes upstream: the origin form, or `*`. Empty or beginning with `?` when an absolute form had no path.
    let target: Range<Int>
    /// The target was a whole URL; its authority replaces the Host field (RFC 9112, section 3.2.2).
    let isAbsoluteForm: Bool
    let minorVersion: Int
    /// Host and port as the client wrote them.
    let authority: Range<Int>
    /// Lower case, without port or trailing dot.
    let hostname: String
    let fields: [HeadField]
    let framing: BodyFraming
    let connection: ConnectionOptions
    /// The client asks to go on in another protocol, and that can be offered.
    let isUpgrade: Bool
    let expectsContinue: Bool
    let requestID: Range<Int>?

    /// - Parameter length: of the head at the beginning of `bytes`, as a `HeadScanner` found it.
    static func parse(_ bytes: CheckedBytes, length: Int) -> Result<RequestHead, HeadError> {
        do throws(HeadError) {
            return .success(try RequestHead(bytes, length: length))
        } catch {
            return .failure(error)
        }
    }

    private init(_ bytes: CheckedBytes, length: Int) throws(HeadError) {
        let line = try RequestLine(bytes)
        let method = Method(bytes, line.method)
        guard method != .connect else { throw .connectRefused }
        let fields = try HeadField.parse(bytes, from: line.end, to: length)
        var collected = CollectedFields()
        for field in fields { try collected.add(field, bytes) }
        try collected.framing.check(minorVersion: line.minorVersion)

        let target = try RequestTarget(bytes, line.target, method: method)
        if collected.host == nil, target.authority == nil || line.minorVersion >= 1 { throw .missingHost }
        guard let authority = target.authority ?? collected.host else { throw .missingHost }
        hostname = try Authority.hostname(bytes, authority)
        if let host = collected.host, host != authority { _ = try Authority.hostname(bytes, host) }

        self.method = method
        methodName = line.method
        self.target = target.path
        isAbsoluteForm = target.authority != nil
        minorVersion = line.minorVersion
        self.authority = authority
        self.fields = fields
        framing = collected.framing.ofRequest
        connection = collected.connection
        // A body before the switch would belong to two protocols; h2c would hide requests from the ingress.
        isUpgrade =
            collected.connection.upgrades && collected.upgrade && !collected.upgradesToHTTP2
            && line.minorVersion >= 1 && collected.framing.ofRequest == .none
        expectsContinue = collected.expectsContinue && line.minorVersion >= 1
        requestID = collected.requestID
    }

    /// The client's wish, or what its version implies.
    var keepsAlive: Bool {
        if connection.closes { return false }
        return minorVersion >= 1 || connection.keepsAlive
    }
}

private struct CollectedFields {
    var framing = FramingFields()
    var connection = ConnectionOptions()
    var host: Range<Int>?
    var upgrade = false
    var upgradesToHTTP2 = false
    var expectsContinue = false
    var requestID: Range<Int>?

    mutating func add(_ field: HeadField, _ bytes: CheckedBytes) throws(HeadError) {
        switch field.kind {
        case .host:
            guard host == nil else { throw .duplicateHost }
            host = field.value
        case .contentLength: try framing.addContentLength(bytes, field.value)
        case .transferEncoding: try framing.addTransferEncoding(bytes, field.value)
        case .connection: try connection.add(bytes, field.value)
        case .upgrade:
            upgrade = true
            upgradesToHTTP2 = upgradesToHTTP2 || bytes.hasPrefix(field.value, "h2") || bytes.contains(field.value, ",")
        case .expect: expectsContinue = expectsContinue || bytes.isNamed(field.value, "100-continue")
        case .requestID: requestID = requestID == nil ? field.value : field.value.lowerBound..<field.value.lowerBound
        case .hop, .forwarding, .other: break
        }
    }
}

/// `method SP target SP HTTP/1.x`, with exactly these spaces.
struct RequestLine: Equatable {
    let method: Range<Int>
    let target: Range<Int>
    let minorVersion: Int
    /// After the line feed.
    let end: Int

    init(_ bytes: CheckedBytes) throws(HeadError) {
        guard let lineFeed = bytes.firstLineFeed(from: 0), lineFeed > 0 else { throw .malformedRequestLine }
        let lineEnd = lineFeed - 1
        var index = 0
        while index < lineEnd, ASCII.isToken(bytes[index]) { index += 1 }
        guard index > 0, index < lineEnd, bytes[index] == ASCII.space else { throw .malformedRequestLine }
        method = 0..<index
        let targetStart = index + 1
        index = targetStart
        while index < lineEnd, Self.isTarget(bytes[index]) { index += 1 }
        guard index < lineEnd else { throw .malformedRequestLine }
        guard index > targetStart, bytes[index] == ASCII.space else { throw .malformedTarget }
        target = targetStart..<index
        let version = index + 1..<lineEnd
        end = lineFeed + 1
        if bytes.equals(version, "HTTP/1.1") {
            minorVersion = 1
        } else if bytes.equals(version, "HTTP/1.0") {
            minorVersion = 0
        } else if version.count == 8, bytes.equals(version.lowerBound..<version.lowerBound + 5, "HTTP/") {
            throw .unsupportedVersion
        } else {
            throw .malformedRequestLine
        }
    }

    /// Visible ASCII. A fragment never travels.
    private static func isTarget(_ byte: UInt8) -> Bool {
        byte > ASCII.space && byte < ASCII.delete && byte != ASCII.hash
    }
}

/// The forms of RFC 9112, section 3.2, less the authority form, which is for CONNECT.
struct RequestTarget: Equatable {
    /// Of the absolute form.
    let authority: Range<Int>?
    let path: Range<Int>

    init(_ bytes: CheckedBytes, _ target: Range<Int>, method: Method) throws(HeadError) {
        if bytes[target.lowerBound] == ASCII.slash || (method == .options && bytes.equals(target, "*")) {
            authority = nil
            path = target
            return
        }
        let start: Int
        if bytes.hasPrefix(target, "http://") {
            start = target.lowerBound + 7
        } else if bytes.hasPrefix(target, "https://") {
            start = target.lowerBound + 8
        } else {
            throw .malformedTarget
        }
        var index = start
        while index < target.upperBound, bytes[index] != ASCII.slash, bytes[index] != ASCII.question { index += 1 }
        authority = start..<index
        path = index..<target.upperBound
    }
}

extension CheckedBytes {
    func contains(_ range: Range<Int>, _ byte: Unicode.Scalar) -> Bool {
        range.contains { self[$0] == UInt8(ascii: byte) }
    }
}
