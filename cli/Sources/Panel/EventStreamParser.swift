// SPDX-License-Identifier: Apache-2.0

/// Server-sent events out of bytes that arrive in pieces of any size.
/// Source: WHATWG HTML, section 9.2.6, https://html.spec.whatwg.org/multipage/server-sent-events.html.
struct EventStreamParser: Sendable {
    struct Event: Equatable, Sendable {
        /// `message` where the stream names none.
        var name: String
        var data: String
        /// The last id the stream gave, in this event or before it.
        var id: String?
    }

    enum Failure: Error, Equatable, CustomStringConvertible {
        case lineTooLong(limit: Int)
        case eventTooLarge(limit: Int)

        var description: String {
            switch self {
            case .lineTooLong(let limit): "a line of the event stream is longer than \(limit) bytes"
            case .eventTooLarge(let limit): "an event of the stream is larger than \(limit) bytes"
            }
        }
    }

    private var line: [UInt8] = []
    private var endedWithCarriageReturn = false
    private var isFirstLine = true
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var id: String?
    /// What to resume from: an id may come without an event, when events were passed over.
    private(set) var lastEventID: String?

    /// - Returns: the events that `bytes` completes.
    mutating func consume(_ bytes: some Sequence<UInt8>) throws(Failure) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            // A line ends with CR, LF or both.
            if endedWithCarriageReturn {
                endedWithCarriageReturn = false
                if byte == 0x0a { continue }
            }
            if byte == 0x0a || byte == 0x0d {
                endedWithCarriageReturn = byte == 0x0d
                if let event = try endLine() { events.append(event) }
            } else {
                guard line.count < CLILimits.eventLineBytesMax else {
                    throw .lineTooLong(limit: CLILimits.eventLineBytesMax)
                }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() throws(Failure) -> Event? {
        defer {
            line.removeAll(keepingCapacity: true)
            isFirstLine = false
        }
        var content = line[...]
        if isFirstLine, content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
        if content.isEmpty { return dispatch() }
        let colon = content.firstIndex(of: UInt8(ascii: ":")) ?? content.endIndex
        // An empty name is a comment, such as a heartbeat.
        if colon == content.startIndex { return nil }
        var value = content[colon...].dropFirst()
        if value.first == 0x20 { value = value.dropFirst() }
        try setField(String(decoding: content[..<colon], as: UTF8.self), value)
        return nil
    }

    private mutating func setField(_ field: String, _ value: ArraySlice<UInt8>) throws(Failure) {
        switch field {
        case "event":
            name = String(decoding: value, as: UTF8.self)
        case "data":
            guard data.count + value.count < CLILimits.eventDataBytesMax else {
                throw .eventTooLarge(limit: CLILimits.eventDataBytesMax)
            }
            if hasData { data.append(0x0a) }
            data += value
            hasData = true
        case "id":
            if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        default:
            break
        }
    }

    private mutating func dispatch() -> Event? {
        defer {
            name = ""
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        lastEventID = id
        guard hasData else { return nil }
        return Event(
            name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self), id: id)
    }
}
