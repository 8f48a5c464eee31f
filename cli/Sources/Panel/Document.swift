// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// The panel's answer: its bytes, for `--json`, and a way to read them.
struct Document: Sendable, Equatable {
    let bytes: [UInt8]

    func decode<Value: Decodable>(_ type: Value.Type) throws(CLIError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw CLIError(
                "the panel's answer cannot be read: \(Self.explanation(error))",
                hint: "Is this the address of a Slipway panel, and of the same version as this command "
                    + "(\(SlipwayCommand.version))?")
        }
    }

    private static func explanation(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return String(describing: error) }
        if case .keyNotFound(let key, let context) = error {
            return "\(place(context.codingPath + [key])) is missing"
        }
        if case .typeMismatch(let type, let context) = error {
            return "\(place(context.codingPath)) is not \(type)"
        }
        if case .valueNotFound(let type, let context) = error {
            return "\(place(context.codingPath)) is null, expected \(type)"
        }
        if case .dataCorrupted(let context) = error {
            return "\(place(context.codingPath)): \(context.debugDescription)"
        }
        return String(describing: error)
    }

    private static func place(_ path: [any CodingKey]) -> String {
        if path.isEmpty { return "it" }
        return path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".")
    }
}

/// Reads what is there if it has the expected form, and is empty if not: for what helps a person but decides nothing.
struct Lenient<Value: Decodable & Sendable>: Decodable, Sendable {
    let value: Value?

    init(from decoder: any Decoder) throws {
        value = try? Value(from: decoder)
    }
}
