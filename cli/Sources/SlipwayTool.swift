// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The `slipway` command as a function, so that tests run what users run.
public enum SlipwayTool {
    /// Parses the arguments, runs the command and says what went wrong.
    ///
    /// - Parameter arguments: without the program's name; `nil` takes the process's own.
    /// - Returns: the exit status: 0 done, 1 failed, 64 the arguments make no sense.
    public static func run(_ arguments: [String]? = nil) async -> Int32 {
        let console = CommandContext.current.console
        do {
            var command = try await SlipwayCommand.asyncParseAsRoot(arguments)
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
            return 0
        } catch let error as CLIError {
            console.note(error.rendered(console.errorStyle))
            return error.exitCode
        } catch {
            let code = SlipwayCommand.exitCode(for: error)
            let text = SlipwayCommand.fullMessage(for: error)
            if !text.isEmpty {
                if code.isSuccess { console.data(text) } else { console.note(text) }
            }
            return code.rawValue
        }
    }
}
