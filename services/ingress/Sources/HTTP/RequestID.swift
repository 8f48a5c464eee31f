// SPDX-License-Identifier: Apache-2.0

/// Makes the ids of requests that come without one: unique, cheap, 32 hexadecimal digits.
struct RequestIDSource {
    private let prefix: UInt64
    private var state: UInt64

    init(using generator: inout some RandomNumberGenerator) {
        prefix = generator.next()
        state = generator.next()
    }

    mutating func next() -> String {
        state &+= 0x9e37_79b9_7f4a_7c15
        // SplitMix64's finisher is one to one, so ids of one source differ.
        // Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        let (high, low) = (prefix, mixed)
        return String(unsafeUninitializedCapacity: 32) { buffer in
            for digit in 0..<16 {
                let shift = UInt64(60 - 4 * digit)
                buffer[digit] = Self.digit((high >> shift) & 15)
                buffer[16 + digit] = Self.digit((low >> shift) & 15)
            }
            return 32
        }
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        value < 10 ? 0x30 + UInt8(value) : 0x57 + UInt8(value)
    }

    /// Whether an id that a client sent is fit for headers and logs as it is.
    static func isWellFormed(_ bytes: CheckedBytes, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty, range.count <= IngressLimits.requestIDBytesMax else { return false }
        return range.allSatisfy { index in
            let byte = bytes[index]
            return ASCII.isLetter(byte) || ASCII.isDigit(byte) || byte == ASCII.hyphen || byte == ASCII.underscore
                || byte == ASCII.dot
        }
    }
}
