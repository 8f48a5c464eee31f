// SPDX-License-Identifier: Apache-2.0
import Events

/// Headers as one text, a line each: `name:value`. A backslash, a line feed and a name's colon are escaped.
enum HeaderText {
    static func encode(_ headers: RecordHeaders) -> String {
        var text = ""
        for (name, value) in headers {
            append(name, isName: true, to: &text)
            text += ":"
            append(value, isName: false, to: &text)
            text += "\n"
        }
        return text
    }

    private static func append(_ part: String, isName: Bool, to text: inout String) {
        let isPlain = part.utf8.allSatisfy { $0 != UInt8(ascii: "\\") && $0 != 10 && !(isName && $0 == colon) }
        if isPlain {
            text += part
            return
        }
        for scalar in part.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case ":" where isName: text += "\\c"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// - Returns: `nil` when the text is none that `encode` makes.
    static func decode(_ text: String) -> RecordHeaders? {
        var headers: [RecordHeaders.Element] = []
        for line in text.utf8.split(separator: 10) {
            guard let end = line.firstIndex(of: colon) else { return nil }
            headers.append((unescaped(line[..<end]), unescaped(line[line.index(after: end)...])))
        }
        return RecordHeaders(headers)
    }

    private static let colon = UInt8(ascii: ":")

    private static func unescaped(_ part: Substring.UTF8View) -> String {
        guard part.contains(UInt8(ascii: "\\")) else { return String(Substring(part)) }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in part {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            switch byte {
            case UInt8(ascii: "n") where isEscaped: bytes.append(10)
            case UInt8(ascii: "c") where isEscaped: bytes.append(colon)
            default: bytes.append(byte)
            }
            isEscaped = false
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
