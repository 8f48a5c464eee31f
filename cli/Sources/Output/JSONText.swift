// SPDX-License-Identifier: Apache-2.0

/// JSON as text: layout changes, values, their order and their spelling do not.
enum JSONText {
    private static let indentation = [UInt8]("  ".utf8)

    static func pretty(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count * 2)
        var depth = 0
        var isInString = false
        var isEscaped = false
        // An opening bracket was written and nothing behind it yet: an empty list stays on its line.
        var isJustOpened = false

        func breakLine() {
            output.append(UInt8(ascii: "\n"))
            for _ in 0..<depth { output += indentation }
        }

        for byte in bytes {
            if isInString {
                output.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            if isSpace(byte) { continue }
            if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth = max(0, depth - 1)
                if !isJustOpened { breakLine() }
                isJustOpened = false
                output.append(byte)
                continue
            }
            if isJustOpened { breakLine() }
            isJustOpened = false
            output.append(byte)
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                isJustOpened = true
            case UInt8(ascii: ","):
                breakLine()
            case UInt8(ascii: ":"):
                output.append(UInt8(ascii: " "))
            case UInt8(ascii: "\""):
                isInString = true
            default:
                break
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// One JSON array with the elements of all.
    static func joined(arrays: [[UInt8]]) -> [UInt8] {
        var result = [UInt8(ascii: "[")]
        for array in arrays {
            let elements = content(array)
            if elements.isEmpty { continue }
            if result.count > 1 { result.append(UInt8(ascii: ",")) }
            result += elements
        }
        result.append(UInt8(ascii: "]"))
        return result
    }

    private static func content(_ array: [UInt8]) -> ArraySlice<UInt8> {
        var slice = trimmed(array[...])
        if slice.first == UInt8(ascii: "["), slice.last == UInt8(ascii: "]"), slice.count >= 2 {
            slice = trimmed(slice.dropFirst().dropLast())
        }
        return slice
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var slice = bytes.drop(while: isSpace)
        while let last = slice.last, isSpace(last) { slice.removeLast() }
        return slice
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }
}
