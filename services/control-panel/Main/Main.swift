// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlPanel
import FoundationEssentials
import Glibc
import ServiceKit

@main
struct Panel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slipway-panel", abstract: "The control panel of Slipway.",
        subcommands: [Serve.self, CreateUserCommand.self, PreReceiveCommand.self, CatalogueCommand.self],
        defaultSubcommand: Serve.self)
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the control panel; settings come from SLIPWAY_… variables.")

    func run() async throws {
        await Bootstrap.run("slipway-panel", listeners: [ControlPanelService.listener]) {
            try await ControlPanelService.make(&$0, $1)
        }
    }
}

private func complain(_ text: String) {
    var text = text + "\n"
    text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}

struct CreateUserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create-user",
        abstract: "Create a user and an organisation where they are missing, and print a new token.")

    @Option(help: "E-mail address of the user.")
    var email: String

    @Option(help: "Name of the organisation; the user becomes its owner.")
    var organisation: String

    @Option(help: "What the token is called in the list of tokens.")
    var tokenName: String = "created on the server"

    @Flag(
        name: .customLong("operator"),
        help: "Make the user an operator of the installation, who sees its event bus and its dead letters.")
    var isOperator = false

    func run() async throws {
        do {
            let token = try await CreateUser.run(
                email: email, organisation: organisation, tokenName: tokenName, isOperator: isOperator,
                environment: ProcessInfo.processInfo.environment)
            print(token)
        } catch {
            complain("slipway-panel create-user: \(error)")
            throw ExitCode.failure
        }
    }
}

struct PreReceiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pre-receive", abstract: "Called by Git before it accepts a push.", shouldDisplay: false)

    func run() async throws {
        var lines: [String] = []
        while let line = readLine() { lines.append(line) }
        let problems = await PreReceive.run(lines)
        guard problems.isEmpty else {
            complain(problems.joined(separator: "\n"))
            throw ExitCode.failure
        }
    }
}
