// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres

/// A line of a deployment's log.
struct LogLine: Encodable, Sendable, Equatable {
    var sequence: Int
    var at: Timestamp
    var stage: String
    var text: String
}

extension LogLine {
    init(_ row: Row) throws {
        self.init(
            sequence: try row.int("sequence"), at: try row.timestamp("at"), stage: try row.string("stage"),
            text: try row.string("text"))
    }
}

/// A line of what an environment's instances print.
struct AppLogLine: Encodable, Sendable, Equatable {
    var sequence: Int
    var at: Timestamp
    @Nullable var instance: String?
    var source: String
    var text: String

    static func == (lhs: AppLogLine, rhs: AppLogLine) -> Bool {
        lhs.sequence == rhs.sequence && lhs.text == rhs.text
    }
}

extension AppLogLine {
    init(_ row: Row) throws {
        self.init(
            sequence: try row.int("sequence"), at: try row.timestamp("at"),
            instance: try row.optionalString("instance"), source: try row.string("source"),
            text: try row.string("text"))
    }
}

/// What may still be written to a deployment's log.
enum LogBudget {
    /// - Parameters:
    ///   - written: lines the log has.
    ///   - dropped: lines that were lost before `incoming`.
    /// - Returns: lines to write. The last one of a full log says that it is full, and nothing follows it.
    static func admitted(_ incoming: [String], written: Int, dropped: Int, max: Int) -> [String] {
        var lines = dropped > 0 ? ["[\(dropped) lines were lost here: too many at once]"] : []
        lines += incoming.map(clean)
        let room = max - written
        if room <= 0 { return [] }
        if lines.count < room { return lines }
        return lines.prefix(room - 1) + ["[the log is full at \(max) lines: the rest is not kept]"]
    }

    /// Postgres keeps no NUL in texts, and a line is a line.
    static func clean(_ text: String) -> String {
        var text = text
        if text.utf8.contains(0) { text = text.replacing("\0", with: "\u{fffd}") }
        while text.last?.isNewline == true { text.removeLast() }
        return text.utf8.count <= Limits.logLineBytesMax
            ? text : String(decoding: text.utf8.prefix(Limits.logLineBytesMax), as: UTF8.self) + " […]"
    }
}
