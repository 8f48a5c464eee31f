// SPDX-License-Identifier: Apache-2.0

/// A YAML document reduced to what a manifest may use: texts, lists and mappings, each with its place.
struct Tree {
    enum Kind {
        /// `isPlain`: written without quotes, so that an empty one, `~` and `null` mean nothing.
        case text(String, isPlain: Bool)
        case list([Tree])
        case mapping([Entry])
        /// A problem was recorded for it; whoever reads it adds none.
        case invalid
    }

    struct Entry {
        let key: String
        let line: Int?
        let column: Int?
        let value: Tree
    }

    let kind: Kind
    let line: Int?
    let column: Int?

    var isInvalid: Bool {
        if case .invalid = kind { return true }
        return false
    }

    var isNothing: Bool {
        guard case .text(let text, isPlain: true) = kind else { return false }
        return text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
    }

    /// How a message names the value.
    var found: String {
        switch kind {
        case .text(let text, _): isNothing ? "nothing" : Self.quoted(text)
        case .list: "a list"
        case .mapping: "a mapping"
        case .invalid: "something unreadable"
        }
    }

    /// In quotes on one line, cut at 60 characters.
    static func quoted(_ text: String) -> String { "\"" + shown(text) + "\"" }

    /// On one line, cut at 60 characters.
    static func shown(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars.prefix(60) {
            switch scalar {
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            case let control where control.value < 0x20 || control.value == 0x7f: shown += "\u{fffd}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return text.unicodeScalars.count > 60 ? shown + "…" : shown
    }
}
