// SPDX-License-Identifier: Apache-2.0

/// How the end of a body is told (RFC 9112, section 6).
enum BodyFraming: Equatable, Sendable {
    case none
    case length(Int)
    case chunked
    /// Responses only.
    case untilClose
}

/// The fields that frame a message, taken only when they leave no doubt.
struct FramingFields: Equatable {
    private(set) var contentLength: Int?
    private(set) var isChunked = false

    /// Fits `Int` without a check for overflow.
    private static let digitsMax = 18

    mutating func addContentLength(_ bytes: CheckedBytes, _ value: Range<Int>) throws(HeadError) {
        guard contentLength == nil else { throw .duplicateContentLength }
        guard !value.isEmpty, value.count <= Self.digitsMax else { throw .malformedContentLength }
        var length = 0
        for index in value {
            guard ASCII.isDigit(bytes[index]) else { throw .malformedContentLength }
            length = length * 10 + Int(bytes[index] - 0x30)
        }
        contentLength = length
    }

    mutating func addTransferEncoding(_ bytes: CheckedBytes, _ value: Range<Int>) throws(HeadError) {
        guard !isChunked, bytes.isNamed(value, "chunked") else { throw .unsupportedTransferEncoding }
        isChunked = true
    }

    func check(minorVersion: Int) throws(HeadError) {
        guard isChunked else { return }
        guard contentLength == nil else { throw .lengthAndTransferEncoding }
        guard minorVersion >= 1 else { throw .transferEncodingInHTTP10 }
    }

    var ofRequest: BodyFraming {
        isChunked ? .chunked : contentLength.map { .length($0) } ?? .none
    }

    func ofResponse(status: Int, isToHead: Bool) -> BodyFraming {
        if isToHead || status < 200 || status == 204 || status == 304 { return .none }
        return isChunked ? .chunked : contentLength.map { .length($0) } ?? .untilClose
    }
}

/// Follows a body to its end without holding any of it.
struct BodyReader: Equatable {
    private enum State: Equatable {
        case done
        case length(Int)
        case chunked(ChunkedScanner)
        case untilClose
    }

    private var state: State

    init(_ framing: BodyFraming) {
        state =
            switch framing {
            case .none, .length(0): .done
            case .length(let length): .length(length)
            case .chunked: .chunked(ChunkedScanner())
            case .untilClose: .untilClose
            }
    }

    var isDone: Bool { state == .done }
    var endsWithClose: Bool { state == .untilClose }

    /// How many of `bytes` belong to the body; fewer than all only when the body has ended. `nil`: malformed.
    mutating func consume(_ bytes: CheckedBytes) -> Int? {
        switch state {
        case .done: return 0
        case .untilClose: return bytes.count
        case .length(let remaining):
            let count = min(remaining, bytes.count)
            state = count == remaining ? .done : .length(remaining - count)
            return count
        case .chunked(var scanner):
            guard let count = scanner.consume(bytes) else { return nil }
            state = scanner.isDone ? .done : .chunked(scanner)
            return count
        }
    }
}
