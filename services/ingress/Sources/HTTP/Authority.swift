// SPDX-License-Identifier: Apache-2.0

/// `host[:port]` of a Host field or an absolute target.
enum Authority {
    private static let portDigitsMax = 5

    /// The name that routes are found by: lower case, without port or trailing dot.
    static func hostname(_ bytes: CheckedBytes, _ range: Range<Int>) throws(HeadError) -> String {
        guard !range.isEmpty else { throw .malformedHost }
        let isLiteral = bytes[range.lowerBound] == ASCII.openBracket
        let hostEnd = try isLiteral ? endOfLiteral(bytes, range) : endOfName(bytes, range)
        if hostEnd < range.upperBound {
            guard bytes[hostEnd] == ASCII.colon, range.upperBound - hostEnd - 1 <= portDigitsMax else {
                throw .malformedHost
            }
            for index in hostEnd + 1..<range.upperBound where !ASCII.isDigit(bytes[index]) { throw .malformedHost }
        }
        var host = range.lowerBound..<hostEnd
        if bytes[hostEnd - 1] == ASCII.dot { host = range.lowerBound..<hostEnd - 1 }
        guard !host.isEmpty, host.count <= IngressLimits.hostnameBytesMax else { throw .malformedHost }
        return String(unsafeUninitializedCapacity: host.count) { buffer in
            for offset in 0..<host.count { buffer[offset] = ASCII.lowercased(bytes[host.lowerBound + offset]) }
            return host.count
        }
    }

    /// An IPv6 address in brackets.
    private static func endOfLiteral(_ bytes: CheckedBytes, _ range: Range<Int>) throws(HeadError) -> Int {
        var index = range.lowerBound + 1
        while index < range.upperBound, bytes[index] != ASCII.closeBracket {
            let byte = bytes[index]
            guard ASCII.hexValue(byte) != nil || byte == ASCII.colon || byte == ASCII.dot else { throw .malformedHost }
            index += 1
        }
        guard index < range.upperBound, index > range.lowerBound + 1 else { throw .malformedHost }
        return index + 1
    }

    private static func endOfName(_ bytes: CheckedBytes, _ range: Range<Int>) throws(HeadError) -> Int {
        var index = range.lowerBound
        while index < range.upperBound, bytes[index] != ASCII.colon {
            let byte = bytes[index]
            guard
                ASCII.isLetter(byte) || ASCII.isDigit(byte) || byte == ASCII.hyphen || byte == ASCII.dot
                    || byte == ASCII.underscore
            else { throw .malformedHost }
            index += 1
        }
        guard index > range.lowerBound else { throw .malformedHost }
        return index
    }
}
