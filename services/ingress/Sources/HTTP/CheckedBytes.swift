// SPDX-License-Identifier: Apache-2.0

/// Bytes of a stranger, with bounds checked in every build: `UnsafeRawBufferPointer` checks in debug builds only.
struct CheckedBytes {
    private let raw: UnsafeRawBufferPointer

    init(_ raw: UnsafeRawBufferPointer) { self.raw = raw }

    var count: Int { raw.count }

    subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < raw.count, "read past the end")
        return raw[index]
    }

    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        precondition(range.lowerBound >= 0 && range.upperBound <= raw.count, "slice past the end")
        return UnsafeRawBufferPointer(rebasing: raw[range])
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: slice(range), as: UTF8.self)
    }

    /// The next line feed, looked for eight bytes at a time.
    func firstLineFeed(from start: Int) -> Int? {
        var index = start
        while index + 8 <= raw.count {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            // A byte of `difference` is zero where the word has a line feed; the lowest bit found is exact.
            let difference = word ^ 0x0a0a_0a0a_0a0a_0a0a
            let found = (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < raw.count {
            if raw[index] == ASCII.lineFeed { return index }
            index += 1
        }
        return nil
    }

    func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { expected in
            for offset in 0..<expected.count where self[range.lowerBound + offset] != expected[offset] { return false }
            return true
        }
    }

    /// Whether `range` is `name` in any case, with `_` for `-`: many application servers do not tell these apart.
    func isNamed(_ range: Range<Int>, _ name: StaticString) -> Bool {
        range.count == name.utf8CodeUnitCount && hasPrefix(range, name)
    }

    /// As `isNamed`, for the beginning of `range`.
    func hasPrefix(_ range: Range<Int>, _ name: StaticString) -> Bool {
        guard range.count >= name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { expected in
            for offset in 0..<expected.count {
                let byte = self[range.lowerBound + offset]
                guard (byte == ASCII.underscore ? ASCII.hyphen : ASCII.lowercased(byte)) == expected[offset] else {
                    return false
                }
            }
            return true
        }
    }

    func equalsIgnoringCase(_ first: Range<Int>, _ second: Range<Int>) -> Bool {
        guard first.count == second.count else { return false }
        for offset in 0..<first.count
        where ASCII.lowercased(self[first.lowerBound + offset]) != ASCII.lowercased(self[second.lowerBound + offset]) {
            return false
        }
        return true
    }

    /// `range` without spaces and tabs at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (lower, upper) = (range.lowerBound, range.upperBound)
        while lower < upper, ASCII.isBlank(self[lower]) { lower += 1 }
        while lower < upper, ASCII.isBlank(self[upper - 1]) { upper -= 1 }
        return lower..<upper
    }
}

enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let hash: UInt8 = 0x23
    static let asterisk: UInt8 = 0x2a
    static let comma: UInt8 = 0x2c
    static let hyphen: UInt8 = 0x2d
    static let dot: UInt8 = 0x2e
    static let slash: UInt8 = 0x2f
    static let colon: UInt8 = 0x3a
    static let semicolon: UInt8 = 0x3b
    static let question: UInt8 = 0x3f
    static let openBracket: UInt8 = 0x5b
    static let closeBracket: UInt8 = 0x5d
    static let underscore: UInt8 = 0x5f
    static let delete: UInt8 = 0x7f

    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a }

    static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }

    static func hexValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x46: Int(byte) - 0x41 + 10
        case 0x61...0x66: Int(byte) - 0x61 + 10
        default: nil
        }
    }

    /// One bit for each `tchar` (RFC 9110, section 5.6.2) of the first and second 64 ASCII characters.
    private static let tokensBelow64: UInt64 = 0x03ff_6cfa_0000_0000
    private static let tokensFrom64: UInt64 = 0x57ff_ffff_c7ff_fffe

    /// A character of a method or field name.
    static func isToken(_ byte: UInt8) -> Bool {
        if byte < 64 { return (tokensBelow64 >> UInt64(byte)) & 1 == 1 }
        return byte < 128 && (tokensFrom64 >> UInt64(byte - 64)) & 1 == 1
    }

    /// A byte that a field value may hold: visible, blank, or above ASCII.
    static func isFieldValue(_ byte: UInt8) -> Bool { byte >= space ? byte != delete : byte == tab }
}
