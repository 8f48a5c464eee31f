// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct EnvironmentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "environments", abstract: "List, create and delete an app's environments.",
        subcommands: [List.self, Create.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List an app's environments.")

        @OptionGroup var appOptions: AppOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let app = try await session.app(appOptions.app)
            let document = try await session.client.get(RequestPath.app(app).appending("environments"))
            if output.json { return session.console.json(document) }
            var table = Table("NAME", "BRANCH", "STATE", "RELEASE", "URL")
            for environment in try document.decode([AppEnvironment].self) {
                let latest = environment.latestDeployment
                table.add(
                    .init(environment.name, .bold), .init(environment.branch),
                    .init(latest?.state.rawValue, latest?.state.style ?? .plain),
                    .init(environment.currentDeployment.map { "#\($0.number)" }), .init(environment.url))
            }
            session.console.data(table.rendered(session.console.outputStyle))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create an environment that a branch is deployed to.")

        @Argument(help: "Its name.")
        var name: String

        @Option(help: ArgumentHelp("The branch whose pushes deploy to it. Default: its name.", valueName: "branch"))
        var branch: String?

        @OptionGroup var appOptions: AppOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            try Names.check(name, what: "The environment's name is")
            if let branch, branch.isEmpty { throw ValidationError("--branch is empty.") }
        }

        func run() async throws {
            let session = try Session.open()
            let app = try await session.app(appOptions.app)
            let document = try await session.client.post(
                RequestPath.app(app).appending("environments"), NewEnvironment(name: name, branch: branch))
            if output.json { session.console.json(document) }
            let created = try document.decode(AppEnvironment.self)
            session.console.note("Created the environment \(created.name) of \(app).")
            session.console.next("git push \(GitRemote.name) \(created.branch ?? created.name)   (deploys to it)")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Delete an environment with its services and data.")

        @Argument(help: "Its name.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var appOptions: AppOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            try Names.check(name, what: "The environment's name is")
        }

        func run() async throws {
            let session = try Session.open()
            let reference = EnvironmentReference(app: try await session.app(appOptions.app), name: name)
            try Confirmation.require(
                name,
                consequence: "The environment \(name) of \(reference.app) will be deleted with its releases, databases "
                    + "and their data.",
                isGiven: yes, session.context)
            let document = try await session.client.delete(.environment(reference))
            if output.json { session.console.json(document) }
            session.console.note("Deleted the environment \(name) of \(reference.app).")
            session.console.next("slipway environments list --app \(reference.app)")
        }
    }
}
