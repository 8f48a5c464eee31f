// SPDX-License-Identifier: Apache-2.0
import Domain

/// Times as people say them.
enum TimeText {
    static func age(of time: Timestamp?, now: Timestamp) -> String? {
        guard let time else { return nil }
        let seconds = now.since(time).microseconds / 1_000_000
        switch seconds {
        case ..<10: return "just now"
        case ..<60: return "\(seconds) s ago"
        case ..<3600: return "\(seconds / 60) min ago"
        case ..<86_400: return "\(seconds / 3600) h ago"
        case ..<(30 * 86_400): return "\(seconds / 86_400) d ago"
        default: return date(time)
        }
    }

    /// The day, in UTC.
    static func date(_ time: Timestamp?) -> String? {
        time.map { String($0.rfc3339.prefix(10)) }
    }

    /// `0.4 s`, `12.3 s`, `3 min 05 s`.
    static func length(_ duration: Duration) -> String {
        let tenths = max(0, duration.microseconds / 100_000)
        if tenths < 600 { return "\(tenths / 10).\(tenths % 10) s" }
        let seconds = tenths / 10
        let rest = seconds % 60
        return "\(seconds / 60) min \(rest < 10 ? "0" : "")\(rest) s"
    }
}
