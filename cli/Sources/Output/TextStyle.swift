// SPDX-License-Identifier: Apache-2.0

enum TextStyle: Sendable, Equatable {
    case plain
    case bold
    case dim
    case green
    case red
    case yellow

    fileprivate var code: String? {
        switch self {
        case .plain: nil
        case .bold: "1"
        case .dim: "2"
        case .green: "32"
        case .red: "31"
        case .yellow: "33"
        }
    }
}

/// Whether styles are drawn at all: on a terminal whose user did not ask for none.
struct TextStyling: Sendable, Equatable {
    var isEnabled: Bool

    static let none = TextStyling(isEnabled: false)

    /// https://no-color.org: any value but the empty one turns colour off.
    init(isTerminal: Bool, environment: [String: String]) {
        let isUnwanted = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        isEnabled = isTerminal && !isUnwanted && environment["TERM"] != "dumb"
    }

    init(isEnabled: Bool) {
        self.isEnabled = isEnabled
    }

    func apply(_ style: TextStyle, _ text: String) -> String {
        guard isEnabled, let code = style.code else { return text }
        return "\u{1b}[\(code)m\(text)\u{1b}[0m"
    }
}
