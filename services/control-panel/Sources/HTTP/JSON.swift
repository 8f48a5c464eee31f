// SPDX-License-Identifier: Apache-2.0

/// A JSON value as it was sent. Numbers keep their text.
indirect enum JSON: Sendable, Equatable {
    struct Member: Sendable, Equatable {
        var name: String
        var value: JSON
    }

    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    /// For error messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

/// Why a text is not JSON, and in which field.
struct JSONError: Error, Sendable, Equatable {
    /// Such as `set.GREETING.value`; empty at the top.
    var field: String
    var offset: Int
    var message: String
}

/// Reads JSON (RFC 8259) and says where it is wrong.
///
/// Stricter than most: text must be UTF-8, names are not repeated, escapes must make whole characters. Depth and
/// number of members are bounded, so that hostile input costs no more than its size.
struct JSONParser {
    private let bytes: [UInt8]
    private var index = 0
    private var path: [String] = []
    private var members = 0

    static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
        var parser = JSONParser(bytes: bytes)
        parser.skipSpace()
        let value = try parser.value()
        parser.skipSpace()
        guard parser.index == bytes.count else { throw parser.error("there is more after the end of the value") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func error(_ message: String) -> JSONError {
        JSONError(field: path.joined(separator: "."), offset: index, message: message)
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func count() throws(JSONError) {
        members += 1
        if members > PanelLimits.jsonMembersMax {
            throw error("there are more than \(PanelLimits.jsonMembersMax) values")
        }
    }

    private mutating func value() throws(JSONError) -> JSON {
        guard let next else { throw error("the text ends where a value is expected") }
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw error("a value is expected here")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let text = Array("\(word)".utf8)
        guard bytes[index...].starts(with: text) else { throw error("a value is expected here") }
        index += text.count
        return value
    }

    private mutating func object() throws(JSONError) -> JSON {
        index += 1
        guard path.count < PanelLimits.jsonDepthMax else { throw error("values are nested too deeply") }
        var found: [JSON.Member] = []
        var names: Set<String> = []
        skipSpace()
        if take("}") { return .object([]) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("a field's name in quotes is expected") }
            let name = try string()
            path.append(name)
            guard names.insert(name).inserted else { throw error("the field is there twice") }
            try count()
            skipSpace()
            guard take(":") else { throw error("a colon is expected after the field's name") }
            skipSpace()
            found.append(JSON.Member(name: name, value: try value()))
            path.removeLast()
            skipSpace()
            if take("}") { return .object(found) }
            guard take(",") else { throw error("a comma or } is expected after a field") }
        }
    }

    private mutating func array() throws(JSONError) -> JSON {
        index += 1
        guard path.count < PanelLimits.jsonDepthMax else { throw error("values are nested too deeply") }
        var found: [JSON] = []
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            try count()
            path.append("\(found.count)")
            skipSpace()
            found.append(try value())
            path.removeLast()
            skipSpace()
            if take("]") { return .array(found) }
            guard take(",") else { throw error("a comma or ] is expected after an element") }
        }
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = index
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        return .number(String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func digits() throws(JSONError) {
        let start = index
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
        if index == start { throw error("a digit is expected here") }
    }

    private mutating func string() throws(JSONError) -> String {
        let opening = index
        index += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    index = opening
                    throw error("the text is not UTF-8: send binary data in base64")
                }
                return string
            case UInt8(ascii: "\\"):
                index += 1
                try escape(into: &text)
            case 0..<0x20: throw error("a control character in a text must be escaped")
            default:
                text.append(byte)
                index += 1
            }
        }
        throw error("the text ends inside quotes")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("the text ends inside quotes") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: Array(String(Character(try unicodeEscape())).utf8))
        default: throw error("an unknown escape in a text")
        }
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let first = try hexadecimal()
        guard (0xd800..<0xdc00).contains(first) else {
            guard let scalar = Unicode.Scalar(first) else { throw error("half a surrogate pair in a text") }
            return scalar
        }
        guard take("\\"), take("u") else { throw error("half a surrogate pair in a text") }
        let second = try hexadecimal()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw error("half a surrogate pair in a text") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hexadecimal digits are expected after \\u")
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
