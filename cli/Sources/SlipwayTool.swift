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
            if !code.isSuccess, let unknown = unknownCommand(in: arguments ?? Array(CommandLine.arguments.dropFirst()))
            {
                console.note(unknown.rendered(console.errorStyle))
                return unknown.exitCode
            }
            let text = SlipwayCommand.fullMessage(for: error)
            if !text.isEmpty {
                if code.isSuccess { console.data(text) } else { console.note(text) }
            }
            return code.rawValue
        }
    }

    /// Says which word is no command. The parser would blame the first option behind it, which belongs to none.
    private static func unknownCommand(in arguments: [String]) -> CLIError? {
        var command: any ParsableCommand.Type = SlipwayCommand.self
        var path = "slipway"
        for word in arguments {
            let known = command.configuration.subcommands
            guard !known.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            guard let next = known.first(where: { $0.configuration.commandName == word }) else {
                return CLIError(
                    "there is no command \"\(path) \(word)\"", hint: "See those there are: \(path) --help",
                    exitCode: 64)
            }
            command = next
            path += " \(word)"
        }
        return nil
    }
}
