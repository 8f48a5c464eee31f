// SPDX-License-Identifier: Apache-2.0
import Domain

/// Splits the engine's multiplexed output: frames of an 8-byte header (stream, three zero bytes, length big-endian)
/// and a payload, arriving in any pieces.
struct LogFrameParser: Sendable {
    struct Frame: Sendable, Hashable {
        var stream: LogChunk.Stream
        var payload: [UInt8]
    }

    private static let headerBytes = 8
    private var header: [UInt8] = []
    private var payload: [UInt8] = []
    private var missing = 0

    /// The frames that `bytes` completes.
    ///
    /// - Throws: `EngineError` when the bytes are not frames, as from a container with a terminal.
    mutating func append(_ bytes: some Collection<UInt8>) throws -> [Frame] {
        var frames: [Frame] = []
        var rest = bytes[...]
        while true {
            if header.count < Self.headerBytes {
                let piece = rest.prefix(Self.headerBytes - header.count)
                header += piece
                rest = rest.dropFirst(piece.count)
                guard header.count == Self.headerBytes else { break }
                missing = try payloadBytes()
                payload.reserveCapacity(missing)
            }
            let piece = rest.prefix(missing)
            payload += piece
            missing -= piece.count
            rest = rest.dropFirst(piece.count)
            guard missing == 0 else { break }
            frames.append(Frame(stream: header[0] == 2 ? .standardError : .standardOutput, payload: payload))
            header.removeAll(keepingCapacity: true)
            payload = []
        }
        return frames
    }

    private func payloadBytes() throws -> Int {
        let length = header[4...].reduce(0) { $0 << 8 | Int($1) }
        guard header[0] <= 3, header[1...3].allSatisfy({ $0 == 0 }), length <= EngineLimits.frameBytesMax else {
            throw EngineError(code: .protocol, message: "the container's output is not multiplexed")
        }
        return length
    }
}

/// A piece of a container's output, at most one line.
public struct LogChunk: Sendable, Hashable {
    public enum Stream: Sendable, Hashable {
        case standardOutput, standardError
    }

    public var stream: Stream
    /// When the container wrote it, in nanoseconds since 1970. Pieces of one long line have the same.
    public var nanoseconds: Int64
    /// With its line end; without one when the line goes on in the next chunk of the same stream.
    public var bytes: [UInt8]

    public var at: Timestamp { Timestamp(microseconds: nanoseconds / 1_000) }

    public init(stream: Stream, nanoseconds: Int64, bytes: [UInt8]) {
        self.stream = stream
        self.nanoseconds = nanoseconds
        self.bytes = bytes
    }

    /// A frame of a log that was asked for with timestamps: `2026-01-31T10:00:00.123456789Z text`.
    init(_ frame: LogFrameParser.Frame) throws {
        guard let space = frame.payload.prefix(40).firstIndex(of: 0x20),
            let nanoseconds = Self.nanoseconds(frame.payload[..<space])
        else { throw EngineError(code: .protocol, message: "a line of the container's output has no timestamp") }
        self.init(
            stream: frame.stream, nanoseconds: nanoseconds, bytes: Array(frame.payload[(space + 1)...]))
    }

    private static func nanoseconds(_ text: ArraySlice<UInt8>) -> Int64? {
        guard let at = Timestamp(rfc3339: String(decoding: text, as: UTF8.self)) else { return nil }
        var belowMicrosecond: Int64 = 0
        if let point = text.firstIndex(of: 0x2e) {
            let digits = text[(point + 1)...].prefix { (0x30...0x39).contains($0) }.dropFirst(6)
            var scale: Int64 = 100
            for digit in digits.prefix(3) {
                belowMicrosecond += Int64(digit - 0x30) * scale
                scale /= 10
            }
        }
        let (nanoseconds, isOverflown) = at.microseconds.multipliedReportingOverflow(by: 1_000)
        return isOverflown ? nil : nanoseconds + belowMicrosecond
    }
}
