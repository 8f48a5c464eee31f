// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where a command's words go: data to standard output, everything else to standard error.
struct Console: Sendable {
    enum Channel: Sendable, Equatable {
        case output
        case error
    }

    var isInputTerminal: Bool
    var isOutputTerminal: Bool
    var outputStyle: TextStyling
    var errorStyle: TextStyling
    let write: @Sendable (Channel, String) -> Void

    /// Lines that a script may read.
    func data(_ text: String) {
        write(.output, text + "\n")
    }

    /// Lines for the person who watches.
    func note(_ text: String) {
        write(.error, text + "\n")
    }

    /// How to go on from here.
    func next(_ steps: String...) {
        next(steps)
    }

    func next(_ steps: [String]) {
        note(errorStyle.apply(.bold, steps.count == 1 ? "Next:" : "Next steps:"))
        for step in steps { note("  " + step) }
    }

    /// The panel's answer as it came, indented.
    func json(_ document: Document) {
        if !document.bytes.isEmpty { data(JSONText.pretty(document.bytes)) }
    }
}

extension Console {
    static func live(environment: [String: String]) -> Console {
        let isOutputTerminal = isatty(STDOUT_FILENO) == 1
        let isErrorTerminal = isatty(STDERR_FILENO) == 1
        return Console(
            isInputTerminal: isatty(STDIN_FILENO) == 1,
            isOutputTerminal: isOutputTerminal,
            outputStyle: TextStyling(isTerminal: isOutputTerminal, environment: environment),
            errorStyle: TextStyling(isTerminal: isErrorTerminal, environment: environment),
            write: { channel, text in
                writeAll(text, to: channel == .output ? STDOUT_FILENO : STDERR_FILENO)
            })
    }

    private static func writeAll(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written > 0 {
                offset += written
            } else if errno != EINTR && errno != EAGAIN {
                // SIGPIPE is ignored by the HTTP client's event loops: end as the signal would have ended us
                // when whoever read our output has gone (`slipway logs | head`).
                exit(errno == EPIPE ? 128 + SIGPIPE : 1)
            }
        }
    }
}
