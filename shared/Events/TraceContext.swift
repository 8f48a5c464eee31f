// SPDX-License-Identifier: Apache-2.0

/// Where in a distributed trace something happens: the `traceparent` of W3C Trace Context (Recommendation of
/// 23 November 2021, https://www.w3.org/TR/trace-context-1/).
public struct TraceContext: Sendable, Hashable, CustomStringConvertible {
    /// 32 lower-case hexadecimal digits, not all zero.
    public let traceID: String
    /// 16 lower-case hexadecimal digits, not all zero: the operation that caused what follows.
    public let parentID: String
    public let isSampled: Bool

    /// The trace that the current task works for.
    @TaskLocal public static var current: TraceContext?

    /// Parses strictly: `nil` for whatever the recommendation calls invalid. Of a later version the part that this
    /// version knows is read, as section 4.1 asks.
    public init?(traceparent: String) {
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= Self.length, let version = Self.hex(bytes[0..<2]), version != "ff",
            bytes.count == Self.length || (version != "00" && bytes[Self.length] == Self.hyphen),
            bytes[2] == Self.hyphen, bytes[35] == Self.hyphen, bytes[52] == Self.hyphen,
            let traceID = Self.hex(bytes[3..<35]), !traceID.allSatisfy({ $0 == "0" }),
            let parentID = Self.hex(bytes[36..<52]), !parentID.allSatisfy({ $0 == "0" }),
            let flags = Self.hex(bytes[53..<55]).flatMap({ UInt8($0, radix: 16) })
        else { return nil }
        self.init(traceID: traceID, parentID: parentID, isSampled: flags & 1 == 1)
    }

    private init(traceID: String, parentID: String, isSampled: Bool) {
        self.traceID = traceID
        self.parentID = parentID
        self.isSampled = isSampled
    }

    /// The beginning of a new, sampled trace.
    public static func root(using generator: inout some RandomNumberGenerator) -> TraceContext {
        TraceContext(
            traceID: digits(generator.next()) + digits(max(1, generator.next())),
            parentID: digits(max(1, generator.next())), isSampled: true)
    }

    public static func root() -> TraceContext {
        var generator = SystemRandomNumberGenerator()
        return root(using: &generator)
    }

    /// The same trace with a new parent: what the caller hands on.
    public func child(using generator: inout some RandomNumberGenerator) -> TraceContext {
        TraceContext(
            traceID: traceID, parentID: Self.digits(max(1, generator.next())), isSampled: isSampled)
    }

    public func child() -> TraceContext {
        var generator = SystemRandomNumberGenerator()
        return child(using: &generator)
    }

    /// The header's value, version 00.
    public var traceparent: String { "00-\(traceID)-\(parentID)-\(isSampled ? "01" : "00")" }

    public var description: String { traceparent }

    private static let length = 55
    private static let hyphen = UInt8(ascii: "-")

    /// The text, when it is all lower-case hexadecimal digits.
    private static func hex(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
