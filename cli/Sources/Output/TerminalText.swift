// SPDX-License-Identifier: Apache-2.0

/// Text from elsewhere, made harmless for the terminal it is shown on.
///
/// What an application logs can move the cursor, rename the window or answer for the user; of all control sequences
/// only colour is let through.
enum TerminalText {
    /// One line: every control character and line break is a space.
    static func singleLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in safe(text, keepsColour: false).unicodeScalars {
            result.append(scalar.value < 0x20 ? " " : scalar)
        }
        return String(result)
    }

    /// Keeps tabs, line feeds and, when asked, colours.
    static func safe(_ text: String, keepsColour: Bool) -> String {
        if !text.unicodeScalars.contains(where: isControl) { return text }
        let scalars = Array(text.unicodeScalars)
        var result = String.UnicodeScalarView()
        var hasColour = false
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            if scalar.value == 0x1b {
                let end = endOfSequence(scalars, from: index)
                if keepsColour, end > index + 1, scalars[index + 1] == "[", scalars[end - 1] == "m" {
                    result.append(contentsOf: scalars[index..<end])
                    hasColour = true
                }
                index = end
            } else {
                if !isControl(scalar) || scalar == "\t" || scalar == "\n" { result.append(scalar) }
                index += 1
            }
        }
        return String(result) + (hasColour ? "\u{1b}[0m" : "")
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    }

    /// The index behind the control sequence that begins at `start`.
    /// Source: ECMA-48, sections 5.4 (control sequences) and 5.6 (control strings).
    private static func endOfSequence(_ scalars: [Unicode.Scalar], from start: Int) -> Int {
        var index = start + 1
        guard index < scalars.count else { return index }
        switch scalars[index] {
        case "[":
            index += 1
            while index < scalars.count, (0x20...0x3f).contains(scalars[index].value) { index += 1 }
            let hasFinal = index < scalars.count && (0x40...0x7e).contains(scalars[index].value)
            return hasFinal ? index + 1 : index
        case "]", "P", "X", "^", "_":
            while index < scalars.count {
                if scalars[index].value == 0x07 { return index + 1 }
                if scalars[index].value == 0x1b, index + 1 < scalars.count, scalars[index + 1] == "\\" {
                    return index + 2
                }
                index += 1
            }
            return index
        default:
            return index + 1
        }
    }
}
