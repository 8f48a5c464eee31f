// SPDX-License-Identifier: Apache-2.0

/// `NAME=value` as a user writes it.
struct VariableAssignment: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        case literal(String)
        case standardInput
        case file(String)
    }

    static let nameRule = "letters, digits and underscores, not beginning with a digit"

    let name: String
    let source: Source

    /// - Parameter isLiteral: `-` and `@` at the beginning of a value mean themselves.
    /// - Returns: `nil` without an equals sign or with a name that no environment variable can have.
    init?(_ text: String, isLiteral: Bool) {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let name = String(text[..<equals])
        guard Self.isName(name) else { return nil }
        let value = String(text[text.index(after: equals)...])
        self.name = name
        if isLiteral {
            source = .literal(value)
        } else if value == "-" {
            source = .standardInput
        } else if value.first == "@" {
            source = .file(String(value.dropFirst()))
        } else {
            source = .literal(value)
        }
    }

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
            default: false
            }
        }
    }

    /// A file's last line ending is not part of the value.
    static func value(of bytes: [UInt8], name: String) throws(CLIError) -> String {
        var slice = bytes[...]
        if slice.last == 0x0a { slice.removeLast() }
        if slice.last == 0x0d, slice.count < bytes.count { slice.removeLast() }
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw CLIError(
                "\(name): the value is not UTF-8 text", hint: "Encode binary values, for example with base64.")
        }
        return text
    }
}
