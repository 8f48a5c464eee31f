// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct OrganisationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "org", abstract: "List and create organisations.", subcommands: [List.self, Create.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the organisations you belong to.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.get(RequestPath("v1", "organisations"))
            if output.json { return session.console.json(document) }
            let organisations = try document.decode([Organisation].self)
            guard !organisations.isEmpty else {
                session.console.note("You belong to no organisation.")
                return session.console.next("slipway org create NAME")
            }
            var table = Table("NAME", "ROLE", "CREATED")
            for organisation in organisations {
                table.add(
                    .init(organisation.name), .init(organisation.role),
                    .init(TimeText.date(organisation.createdAt)))
            }
            session.console.data(table.rendered(session.console.outputStyle))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create an organisation, with you as its owner.")

        @Argument(help: "Its name: lower-case letters, digits and hyphens.")
        var name: String

        @OptionGroup var output: OutputOptions

        func validate() throws {
            try Names.check(name, what: "The organisation's name is")
        }

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.post(
                RequestPath("v1", "organisations"), NewOrganisation(name: name))
            if output.json { session.console.json(document) }
            session.console.note("Created the organisation \(name).")
            session.console.next("slipway app create \(name)/NAME --remote")
        }
    }
}
