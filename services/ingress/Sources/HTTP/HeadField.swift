// SPDX-License-Identifier: Apache-2.0

/// One field line of a head, as places in its bytes.
struct HeadField: Equatable {
    enum Kind: Equatable {
        case host, contentLength, transferEncoding, connection, upgrade, expect, requestID
        /// Hop by hop: never forwarded.
        case hop
        /// Tells who the client is: only our own word counts.
        case forwarding
        case other
    }

    let kind: Kind
    let name: Range<Int>
    /// Without blanks around it.
    let value: Range<Int>
    /// After the line feed.
    let end: Int

    /// The field lines from `start` to the empty line before `end`, whose lines all end in CR LF.
    static func parse(_ bytes: CheckedBytes, from start: Int, to end: Int) throws(HeadError) -> [HeadField] {
        var fields: [HeadField] = []
        fields.reserveCapacity(16)
        var index = start
        while index < end, bytes[index] != ASCII.carriageReturn {
            guard fields.count < IngressLimits.fieldsMax else { throw .tooManyFields }
            let field = try HeadField(bytes, from: index)
            fields.append(field)
            index = field.end
        }
        // What is left is exactly the empty line, or a carriage return that began a line.
        guard index == end - 2 else { throw .malformedFieldName }
        return fields
    }

    private init(_ bytes: CheckedBytes, from start: Int) throws(HeadError) {
        guard !ASCII.isBlank(bytes[start]) else { throw .foldedField }
        var index = start
        while ASCII.isToken(bytes[index]) { index += 1 }
        guard bytes[index] == ASCII.colon, index > start else {
            if ASCII.isBlank(bytes[index]), index > start { throw .spaceBeforeColon }
            throw .malformedFieldName
        }
        name = start..<index
        let valueStart = index + 1
        index = valueStart
        while ASCII.isFieldValue(bytes[index]) { index += 1 }
        guard bytes[index] == ASCII.carriageReturn, bytes[index + 1] == ASCII.lineFeed else {
            throw .malformedFieldValue
        }
        value = bytes.trimmed(valueStart..<index)
        end = index + 2
        kind = try Self.kind(bytes, name)
    }

    private static func kind(_ bytes: CheckedBytes, _ name: Range<Int>) throws(HeadError) -> Kind {
        switch name.count {
        case 2 where bytes.isNamed(name, "te"): return .hop
        case 4 where bytes.isNamed(name, "host"): return .host
        case 6 where bytes.isNamed(name, "expect"): return .expect
        case 7 where bytes.isNamed(name, "upgrade"): return .upgrade
        case 9 where bytes.isNamed(name, "forwarded") || bytes.isNamed(name, "x-real-ip"): return .forwarding
        case 10 where bytes.isNamed(name, "connection"): return .connection
        case 10 where bytes.isNamed(name, "keep-alive"): return .hop
        case 12 where bytes.isNamed(name, "x-request-id"): return .requestID
        case 14 where bytes.isNamed(name, "content-length"):
            guard !hasUnderscore(bytes, name) else { throw .disguisedField }
            return .contentLength
        case 16 where bytes.isNamed(name, "proxy-connection"): return .hop
        case 17 where bytes.isNamed(name, "transfer-encoding"):
            guard !hasUnderscore(bytes, name) else { throw .disguisedField }
            return .transferEncoding
        case 18 where bytes.isNamed(name, "proxy-authenticate"): return .hop
        case 19 where bytes.isNamed(name, "proxy-authorization"): return .hop
        default: return bytes.hasPrefix(name, "x-forwarded-") ? .forwarding : .other
        }
    }

    private static func hasUnderscore(_ bytes: CheckedBytes, _ name: Range<Int>) -> Bool {
        name.contains { bytes[$0] == ASCII.underscore }
    }
}

/// What the `Connection` fields of a head say.
struct ConnectionOptions: Equatable {
    var closes = false
    var keepsAlive = false
    var upgrades = false
    /// Names of fields that are meant for this hop only.
    private(set) var nominated: [Range<Int>] = []

    mutating func add(_ bytes: CheckedBytes, _ value: Range<Int>) throws(HeadError) {
        var start = value.lowerBound
        while start < value.upperBound {
            var end = start
            while end < value.upperBound, bytes[end] != ASCII.comma { end += 1 }
            let option = bytes.trimmed(start..<end)
            for index in option where !ASCII.isToken(bytes[index]) { throw .malformedConnection }
            if bytes.isNamed(option, "close") {
                closes = true
            } else if bytes.isNamed(option, "keep-alive") {
                keepsAlive = true
            } else if bytes.isNamed(option, "upgrade") {
                upgrades = true
            } else if !option.isEmpty {
                nominated.append(option)
            }
            start = end + 1
        }
    }

    func nominates(_ name: Range<Int>, _ bytes: CheckedBytes) -> Bool {
        nominated.contains { bytes.equalsIgnoringCase($0, name) }
    }
}
