// SPDX-License-Identifier: Apache-2.0
import Domain

/// Makes what programs write fit to be shown.
enum LogText {
    /// Without terminal control: colours, cursor movements, what a carriage return overwrote, control characters.
    static func clean(_ text: String) -> String {
        let needsCleaning = text.utf8.contains { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7f }
        guard needsCleaning else { return text }
        var scalars = String.UnicodeScalarView()
        var escape = Escape.none
        for scalar in text.unicodeScalars {
            switch (escape, scalar.value) {
            case (.none, 0x1b): escape = .begun
            case (.begun, 0x5b): escape = .sequence
            case (.begun, _): escape = .none
            case (.sequence, 0x40...0x7e): escape = .none
            case (.sequence, _): break
            case (.none, 0x0d): scalars.append("\n")
            case (.none, 0x09): scalars.append(scalar)
            case (.none, 0x00..<0x20), (.none, 0x7f): break
            case (.none, _): scalars.append(scalar)
            }
        }
        // Of text that overwrites itself, the last state counts.
        return String(scalars).split(separator: "\n").last.map(String.init) ?? ""
    }

    private enum Escape { case none, begun, sequence }

    /// At most `bytesMax` bytes of UTF-8, cut between characters, with an ellipsis that says so.
    static func cut(_ text: String, to bytesMax: Int = Limits.logLineBytesMax) -> String {
        guard text.utf8.count > bytesMax else { return text }
        let ellipsis = "…"
        var length = max(0, bytesMax - ellipsis.utf8.count)
        while length > 0 {
            if let cut = String(text.utf8.prefix(length)) { return cut + ellipsis }
            length -= 1
        }
        return ""
    }

    /// The last whole lines that fit into `bytesMax` bytes.
    static func tail(_ lines: [String], bytesMax: Int) -> [String] {
        var kept: [String] = []
        var room = bytesMax
        for line in lines.reversed() {
            room -= line.utf8.count + 1
            if room < 0 { break }
            kept.append(line)
        }
        return kept.reversed()
    }
}
