// SPDX-License-Identifier: Apache-2.0

/// A value of a set that may grow: readers keep what they do not know instead of refusing the event.
public struct Open<Value: RawRepresentable & Sendable & Hashable>: Codable, Sendable, Hashable
where Value.RawValue == String {
    public let rawValue: String

    public init(_ value: Value) { rawValue = value.rawValue }

    /// `nil`: a value that this build does not know.
    public var known: Value? { Value(rawValue: rawValue) }

    public static func == (open: Self, value: Value) -> Bool { open.rawValue == value.rawValue }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
