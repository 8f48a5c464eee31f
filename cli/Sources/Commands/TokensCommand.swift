// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct TokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens", abstract: "List, create and revoke access tokens.",
        subcommands: [List.self, Create.self, Revoke.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List your access tokens.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.get(RequestPath("v1", "tokens"))
            if output.json { return session.console.json(document) }
            let now = session.context.now()
            var table = Table("ID", "NAME", "CREATED", "EXPIRES", "LAST USED")
            for token in try document.decode([AccessToken].self) {
                table.add(
                    .init(token.id), .init(token.name), .init(TimeText.date(token.createdAt)),
                    .init(TimeText.date(token.expiresAt) ?? "never"),
                    .init(TimeText.age(of: token.lastUsedAt, now: now)))
            }
            session.console.data(table.rendered(session.console.outputStyle))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create an access token and print it, once.",
            discussion: "The token alone goes to standard output, so that it can be piped to where it is needed.")

        @Argument(help: "What it is for, such as \"ci\".")
        var name: String

        @Option(help: ArgumentHelp("Days until it expires. Default: the panel's.", valueName: "days"))
        var expiresIn: Int?

        @OptionGroup var output: OutputOptions

        func validate() throws {
            if name.isEmpty { throw ValidationError("The token's name is empty.") }
            if let expiresIn, !(1...CLILimits.tokenDaysMax).contains(expiresIn) {
                throw ValidationError("--expires-in is \(expiresIn): expected 1 to \(CLILimits.tokenDaysMax) days.")
            }
        }

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.post(
                RequestPath("v1", "tokens"), NewToken(name: name, expiresInDays: expiresIn))
            let token = try document.decode(AccessToken.self)
            if output.json { session.console.json(document) } else { session.console.data(token.token ?? "") }
            session.console.note("Keep it now: it is not shown again.")
            session.console.next("slipway tokens revoke \(token.id)   (when it is no longer needed)")
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Revoke an access token: it stops working at once.")

        @Argument(help: "The token's id, from \"slipway tokens list\".")
        var id: String

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.delete(RequestPath("v1", "tokens", id))
            if output.json { session.console.json(document) }
            session.console.note("Revoked \(id).")
            session.console.next("slipway tokens list")
        }
    }
}
