// SPDX-License-Identifier: Apache-2.0

/// Reads the head of a CGI program's response (RFC 3875, section 6.2) as its bytes come by.
struct CGIHead: Sendable {
    enum Reading: Sendable, Equatable {
        case incomplete
        /// The head, and what of the body came with it.
        case complete(CGIHead.Fields, body: [UInt8])
        case malformed
    }

    struct Fields: Sendable, Equatable {
        /// 200 where the program names none.
        var status = 200
        /// By name in lower case.
        var headers: [String: String] = [:]
    }

    private var buffer: [UInt8] = []

    init() {}

    mutating func receive(_ bytes: [UInt8]) -> Reading {
        buffer += bytes
        guard let (head, bodyStart) = split() else {
            return buffer.count > PanelLimits.responseHeadBytesMax ? .malformed : .incomplete
        }
        var fields = Fields()
        for line in String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { return .malformed }
            let name = line[..<colon].lowercased()
            let value = String(line[line.index(after: colon)...].trimmingPrefix(" "))
            if name == "status" {
                guard let status = Int(value.prefix(3)), (100...599).contains(status) else { return .malformed }
                fields.status = status
            } else {
                fields.headers[name] = value
            }
        }
        return .complete(fields, body: Array(buffer[bodyStart...]))
    }

    /// The head ends with an empty line; lines end with CRLF or LF.
    private func split() -> (head: ArraySlice<UInt8>, bodyStart: Int)? {
        var lineStart = 0
        for index in buffer.indices where buffer[index] == 0x0a {
            let line = buffer[lineStart..<index]
            if line.isEmpty || line.elementsEqual([0x0d]) { return (buffer[..<lineStart], index + 1) }
            lineStart = index + 1
        }
        return nil
    }
}

/// Passes a response on and keeps its last four bytes back: Git's final flush packet, before which more can be said.
struct FlushHolder: Sendable {
    private(set) var held: [UInt8] = []

    init() {}

    /// - Returns: what can be passed on.
    mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
        held += bytes
        let count = max(0, held.count - 4)
        defer { held.removeFirst(count) }
        return Array(held.prefix(count))
    }

    var endsWithFlush: Bool { held == PktLine.flush }
}
