// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct SlipwayCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "slipway",
        abstract: "Deploy and run applications on a Slipway platform.",
        discussion: """
            The app a command acts on is taken from --app, then SLIPWAY_APP, then the Git remote named "slipway" of \
            the current folder.

            Data goes to standard output, progress and advice to standard error. Colour is used on a terminal only, \
            and not when NO_COLOR is set.

            ENVIRONMENT:
              SLIPWAY_URL, SLIPWAY_TOKEN   panel and token to use instead of those of "slipway login"
              SLIPWAY_APP                  app to use, as organisation/name
              XDG_CONFIG_HOME              where slipway/config.json is kept (default: ~/.config)

            EXIT STATUS:
              0   done
              1   failed: the deployment failed, the panel refused, or it cannot be reached
              64  the arguments make no sense
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Account",
                subcommands: [
                    LoginCommand.self, LogoutCommand.self, WhoAmICommand.self, TokensCommand.self,
                    OrganisationCommand.self,
                ]),
            CommandGroup(
                name: "Apps",
                subcommands: [
                    AppCommand.self, EnvironmentsCommand.self, VariablesCommand.self, OpenCommand.self,
                ]),
            CommandGroup(
                name: "Deploying",
                subcommands: [
                    DeployCommand.self, StatusCommand.self, LogsCommand.self, DeploymentsCommand.self,
                    RollbackCommand.self, CancelCommand.self,
                ]),
            CommandGroup(name: "Events", subcommands: [EventsCommand.self]),
            CommandGroup(name: "Git", subcommands: [GitCredentialCommand.self]),
        ]
    )

    static var _errorPrefix: String { "slipway: " }
}
