// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Domain

struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the panel's answer as JSON.")
    var json = false
}

struct AppOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The app. Default: SLIPWAY_APP, then the Git remote named slipway.", valueName: "organisation/name"))
    var app: String?

    func validate() throws {
        if let app, AppReference(app) == nil {
            throw ValidationError("--app is \"\(app)\": expected \(AppReference.rule).")
        }
    }
}

struct EnvironmentOptions: ParsableArguments {
    @OptionGroup var appOptions: AppOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("The environment.", valueName: "name"))
    var environment = EnvironmentReference.defaultName

    var app: String? { appOptions.app }

    func validate() throws {
        guard Slug.isValid(environment) else {
            throw ValidationError("--environment is \"\(environment)\": expected \(Slug.rule).")
        }
    }
}

struct WatchOptions: ParsableArguments {
    @Flag(name: .long, help: "Start the deployment and return, without following its log.")
    var detach = false
}

enum Names {
    static func check(_ name: String, what: String) throws {
        guard Slug.isValid(name) else {
            throw ValidationError("\(what) \"\(name)\": expected \(Slug.rule).")
        }
    }
}

/// Asks before something is lost for good.
enum Confirmation {
    /// - Parameter isGiven: the user said so on the command line.
    static func require(_ name: String, consequence: String, isGiven: Bool, _ context: CommandContext) throws {
        if isGiven { return }
        guard context.console.isInputTerminal else {
            throw ValidationError("\(consequence) Say --yes to do it.")
        }
        context.console.note(consequence)
        let answer = try context.input.line("Type \(name) to go on")
        guard answer == name else { throw CLIError("nothing was done: \"\(answer)\" is not \"\(name)\"") }
    }
}
