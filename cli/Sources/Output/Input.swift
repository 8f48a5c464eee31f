// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the user gives besides arguments.
struct Input: Sendable {
    /// All of standard input; more than the limit is an error.
    var everything: @Sendable (_ limit: Int) throws -> [UInt8]
    /// One line typed at the prompt.
    var line: @Sendable (_ prompt: String) throws -> String
    /// One line typed at the prompt, not shown.
    var secret: @Sendable (_ prompt: String) throws -> String

    static let live = Input(
        everything: { limit in
            do throws(BoundedFile.Failure) {
                return try BoundedFile.read(descriptor: STDIN_FILENO, limit: limit)
            } catch {
                throw CLIError("standard input: \(error)")
            }
        },
        line: { prompt in
            try TerminalPrompt.ask(prompt, isShown: true)
        },
        secret: { prompt in
            try TerminalPrompt.ask(prompt, isShown: false)
        })
}

private enum TerminalPrompt {
    static func ask(_ prompt: String, isShown: Bool) throws(CLIError) -> String {
        let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw CLIError("there is no terminal to ask \"\(prompt)\" on") }
        defer { close(descriptor) }
        show(prompt + ": ", on: descriptor)
        var before = termios()
        let isHidden = !isShown && tcgetattr(descriptor, &before) == 0
        if isHidden {
            var quiet = before
            quiet.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(descriptor, TCSAFLUSH, &quiet)
        }
        defer {
            if isHidden {
                tcsetattr(descriptor, TCSAFLUSH, &before)
                show("\n", on: descriptor)
            }
        }
        return try readLine(from: descriptor)
    }

    private static func readLine(from descriptor: Int32) throws(CLIError) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count <= CLILimits.tokenBytesMax {
            let count = read(descriptor, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 || byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        throw CLIError("the line is longer than \(CLILimits.tokenBytesMax) bytes")
    }

    private static func show(_ text: String, on descriptor: Int32) {
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
