// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient

/// Joins the pieces of a container's output to lines, each stream on its own, and leaves out what was read before.
struct LogAssembly: Sendable {
    struct Line: Sendable, Hashable {
        var text: String
        var nanoseconds: Int64
    }

    /// What was written up to this time was read before the stream was opened.
    private let readBefore: Int64
    private var output = LineAssembler(lineBytesMax: Limits.logLineBytesMax)
    private var errors = LineAssembler(lineBytesMax: Limits.logLineBytesMax)
    private var last: Int64

    init(readBefore: Int64) {
        self.readBefore = readBefore
        last = readBefore
    }

    mutating func append(_ chunk: LogChunk) -> [Line] {
        guard chunk.nanoseconds > readBefore else { return [] }
        last = max(last, chunk.nanoseconds)
        let texts =
            switch chunk.stream {
            case .standardOutput: output.append(chunk.bytes)
            case .standardError: errors.append(chunk.bytes)
            }
        return texts.map { Line(text: Self.clean($0), nanoseconds: chunk.nanoseconds) }
    }

    /// Lines without an end, when the output ended.
    mutating func finish() -> [Line] {
        [output.finish(), errors.finish()].compactMap { text in
            text.map { Line(text: Self.clean($0), nanoseconds: last) }
        }
    }

    /// NUL is the one character that databases refuse in text.
    static func clean(_ text: String) -> String {
        text.utf8.contains(0) ? String(text.map { $0 == "\0" ? "\u{fffd}" : $0 }) : text
    }
}
