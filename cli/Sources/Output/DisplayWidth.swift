// SPDX-License-Identifier: Apache-2.0

/// How many terminal columns a text takes, which is neither its bytes nor its characters.
enum DisplayWidth {
    static func of(_ text: String) -> Int {
        text.reduce(0) { $0 + columns($1) }
    }

    private static func columns(_ character: Character) -> Int {
        if let ascii = character.asciiValue { return ascii < 0x20 || ascii == 0x7f ? 0 : 1 }
        guard let first = character.unicodeScalars.first else { return 0 }
        let isEmoji = character.unicodeScalars.contains { scalar in
            // U+FE0F asks for the emoji form of the character before it.
            scalar.value == 0xfe0f || scalar.properties.isEmojiPresentation
        }
        if isEmoji || isWide(first.value) { return 2 }
        switch first.properties.generalCategory {
        case .control, .format, .nonspacingMark, .enclosingMark, .lineSeparator, .paragraphSeparator: return 0
        default: return 1
        }
    }

    /// East Asian Wide and Fullwidth blocks.
    /// Source: Unicode Standard Annex 11, https://www.unicode.org/reports/tr11/.
    private static func isWide(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x20000...0x3fffd:
            true
        default:
            false
        }
    }
}
