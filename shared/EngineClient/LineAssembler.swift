// SPDX-License-Identifier: Apache-2.0

/// Makes lines out of bytes that arrive in any pieces.
///
/// A line ends with LF or CR LF, which are not part of it. A line longer than `lineBytesMax` is cut there, not in the
/// middle of a UTF-8 character, and the rest of it is left out. Of text that overwrites itself with a carriage return,
/// such as a progress bar, the last state is kept. What is not UTF-8 becomes U+FFFD.
public struct LineAssembler: Sendable {
    private var line: [UInt8] = []
    private let lineBytesMax: Int

    public init(lineBytesMax: Int) {
        self.lineBytesMax = lineBytesMax
    }

    /// Bytes of a line whose end has not arrived.
    public var hasPartialLine: Bool { !line.isEmpty }

    /// The lines that `bytes` completes.
    public mutating func append(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 0x0a {
                lines.append(take())
            } else if line.count <= lineBytesMax {
                // One byte more than the limit is kept: it tells that the line was cut, and where a character ends.
                line.append(byte)
            }
        }
        return lines
    }

    /// What is left at the end of the input, `nil` when nothing is.
    public mutating func finish() -> String? {
        line.isEmpty ? nil : take()
    }

    private mutating func take() -> String {
        defer { line.removeAll(keepingCapacity: line.capacity <= 4_096) }
        var bytes = line[...]
        if bytes.count > lineBytesMax {
            var end = lineBytesMax
            while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
            bytes = bytes[..<end]
        }
        while bytes.last == 0x0d { bytes.removeLast() }
        if let last = bytes.lastIndex(of: 0x0d) { bytes = bytes[(last + 1)...] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
