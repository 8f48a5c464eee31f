// SPDX-License-Identifier: Apache-2.0

/// Events as lines.
enum EventText {
    /// Number, time of day, type, what it is about, the event's data.
    static func line(_ event: FeedEvent, number: String?, json: String) -> String {
        let time = event.time.map { String($0.dropFirst(11).prefix(12)) }
        let parts = [number.map { "#\($0)" }, time, event.type, event.subject, data(of: json)]
        return parts.compactMap { $0 }.joined(separator: "  ")
    }

    /// The event with its number as the attribute `sequence`, which CloudEvents' extension of that name has as a text.
    static func json(_ event: String, number: String?) -> String {
        guard let number, event.hasPrefix(#"{""#) else { return event }
        return #"{"sequence":"\#(number)","# + event.dropFirst()
    }

    /// Place, type, key, value.
    static func line(_ record: TailRecord) -> String {
        let place = "\(record.topic)/\(record.partition)@\(record.offset)"
        let value = record.value.map { shortened($0, CLILimits.tailValueMax) } ?? "(removed)"
        return [place, record.type ?? "-", record.key, value].joined(separator: "  ")
    }

    static func shortened(_ text: String, _ count: Int) -> String {
        text.count > count ? String(text.prefix(count - 1)) + "…" : text
    }

    /// The member `data`, which comes last in a CloudEvent of the panel.
    private static func data(of json: String) -> String? {
        guard let start = json.firstRange(of: #","data":"#), json.last == "}" else { return nil }
        return String(json[start.upperBound...].dropLast())
    }
}
