// SPDX-License-Identifier: Apache-2.0

/// A failure as its user reads it: what happened, the fields concerned, and what to do about it.
struct CLIError: Error, Equatable {
    var message: String
    var details: [String] = []
    var hint: String?
    var exitCode: Int32 = 1

    init(_ message: String, details: [String] = [], hint: String? = nil, exitCode: Int32 = 1) {
        self.message = message
        self.details = details
        self.hint = hint
        self.exitCode = exitCode
    }

    func rendered(_ style: TextStyling = .none) -> String {
        var lines = [style.apply(.red, "slipway:") + " " + TerminalText.safe(message, keepsColour: false)]
        lines += details.map { "  " + TerminalText.safe($0, keepsColour: false) }
        if let hint { lines.append(hint) }
        return lines.joined(separator: "\n")
    }
}
