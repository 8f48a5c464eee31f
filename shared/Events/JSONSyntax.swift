// SPDX-License-Identifier: Apache-2.0

/// Tells whether bytes are one JSON text (RFC 8259), in one pass and without making values of it.
struct JSONSyntax {
    /// Deeper is refused: every level costs stack.
    static let depthMax = 128

    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    static func isValid(_ text: some Collection<UInt8>) -> Bool {
        guard String(validating: text, as: UTF8.self) != nil else { return false }
        return text.withContiguousStorageIfAvailable { bytes in
            var syntax = JSONSyntax(bytes: bytes)
            guard syntax.value(depth: 1) else { return false }
            syntax.skipBlanks()
            return syntax.index == bytes.count
        } ?? isValid(Array(text))
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) -> Bool {
        guard depth <= Self.depthMax else { return false }
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"):
            return members(until: "}") {
                $0.skipBlanks()
                return $0.string() && $0.colon() && $0.value(depth: depth + 1)
            }
        case UInt8(ascii: "["): return members(until: "]") { $0.value(depth: depth + 1) }
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        case UInt8(ascii: "n"): return word("null")
        default: return number()
        }
    }

    private mutating func members(until end: Unicode.Scalar, _ member: (inout Self) -> Bool) -> Bool {
        index += 1
        skipBlanks()
        if skip(end) { return true }
        while member(&self) {
            skipBlanks()
            if skip(end) { return true }
            guard skip(",") else { return false }
        }
        return false
    }

    private mutating func colon() -> Bool {
        skipBlanks()
        return skip(":")
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let end = index + word.utf8CodeUnitCount
        guard end <= bytes.count,
            bytes[index..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        else { return false }
        index = end
        return true
    }

    private mutating func string() -> Bool {
        guard skip("\"") else { return false }
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let byte = next else { return false }
        index += 1
        switch byte {
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                guard let digit = next, CloudEvents.isHexadecimal(digit) else { return false }
                index += 1
            }
            return true
        default: return "\"\\/bfnrt".utf8.contains(byte)
        }
    }

    private mutating func number() -> Bool {
        _ = skip("-")
        if !skip("0") {
            guard digits() else { return false }
        }
        if skip(".") {
            guard digits() else { return false }
        }
        if skip("e") || skip("E") {
            if !skip("+") { _ = skip("-") }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = index
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
        return index > start
    }
}
