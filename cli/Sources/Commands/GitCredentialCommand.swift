// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct GitCredentialCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-credential", abstract: "Give Git the password for the panel. Git runs this, not people.",
        discussion: """
            "slipway app create --remote" configures it. By hand:

              git config credential.https://panel.example.com.helper '!slipway git-credential'

            It answers for the panel you are logged in to and for no other host.
            """)

    @Argument(help: "What Git asks for: get, store or erase.")
    var operation: String

    func run() async throws {
        let context = CommandContext.current
        switch operation {
        case "get":
            try answer(context)
        case "erase":
            context.console.note("slipway: the panel did not accept the token. Log in again: slipway login")
        default:
            // The token is kept by `slipway login`; gitcredentials(7) has unknown operations ignored.
            break
        }
    }

    /// Git goes on to its next helper, and then to a prompt, when nothing is printed.
    private func answer(_ context: CommandContext) throws {
        let bytes = try context.input.everything(CLILimits.credentialRequestBytesMax)
        let request = CredentialRequest(String(decoding: bytes, as: UTF8.self))
        let stored = try LoginFile(environment: context.environment).read()
        let login = try Login.resolve(environment: context.environment, stored: stored)
        if let answer = request.answer(for: login) { context.console.data(answer) }
    }
}
