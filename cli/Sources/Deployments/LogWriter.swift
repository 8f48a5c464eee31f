// SPDX-License-Identifier: Apache-2.0

/// Prints log lines: as they are into a file or pipe, made harmless on a terminal.
struct LogWriter: Sendable {
    let console: Console
    let channel: Console.Channel

    func write(_ line: String) {
        console.write(channel, printable(line) + "\n")
    }

    private func printable(_ line: String) -> String {
        switch channel {
        case .output:
            console.isOutputTerminal
                ? TerminalText.safe(line, keepsColour: console.outputStyle.isEnabled) : line
        case .error:
            TerminalText.safe(line, keepsColour: console.errorStyle.isEnabled)
        }
    }
}
