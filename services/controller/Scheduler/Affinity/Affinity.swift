// SPDX-License-Identifier: Apache-2.0

/// A rule about the hosts of a service, written as one word: `zone==eu-1`, `label!=disk=hdd`, `service!=~worker`,
/// `node==/^web-/`. `docs/scheduler.md` has the grammar.
public struct Affinity: Hashable, Sendable, CustomStringConvertible {
    /// What of a host a rule looks at.
    enum Subject: Hashable, Sendable {
        /// The host's name.
        case node
        case zone
        /// The label of this name.
        case label(String)
        /// The services of the same environment that have an instance on the host.
        case service
    }

    /// The rule as it was written.
    public let text: String
    /// Preferred and not demanded.
    public let isSoft: Bool
    /// The host must not match.
    let isNegated: Bool
    let subject: Subject
    let pattern: Pattern

    public var description: String { text }

    /// What to tell about a rule that no host matches.
    func unmatchedText(_ what: Explanation.Unmatched) -> String {
        switch subject {
        case .node: pattern.isLiteral ? "no host is named `\(pattern)`" : "no host has a name like `\(pattern)`"
        case .zone: "no host is in a zone `\(pattern)`"
        case .label(let name):
            what == .label
                ? "no host has a label `\(name)`" : "no host has a label `\(name)` with the value `\(pattern)`"
        case .service: "no host runs a service `\(pattern)`"
        }
    }
}

/// The values that a rule accepts.
enum Pattern: Hashable, Sendable, CustomStringConvertible {
    case any
    case literal(String)
    case expression(RegularExpression)

    func matches(_ value: String) -> Bool {
        switch self {
        case .any: true
        case .literal(let literal): literal == value
        case .expression(let expression): expression.matches(value)
        }
    }

    var isLiteral: Bool {
        if case .literal = self { return true }
        return false
    }

    var description: String {
        switch self {
        case .any: "any"
        case .literal(let literal): literal
        case .expression(let expression): "/\(expression.source)/"
        }
    }
}
