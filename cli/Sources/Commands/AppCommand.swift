// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct AppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Create, list, show and delete apps.",
        subcommands: [AppCreate.self, AppList.self, AppInfo.self, AppConnect.self, AppDelete.self])
}

struct AppList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the apps of your organisations.")

    @Option(name: [.customShort("o"), .customLong("organisation")], help: "Of this organisation only.")
    var organisation: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let organisation { try Names.check(organisation, what: "--organisation is") }
    }

    func run() async throws {
        let session = try Session.open()
        var documents: [Document] = []
        for name in try await organisations(session) {
            documents.append(try await session.client.get(RequestPath.organisation(name).appending("apps")))
        }
        if output.json {
            return session.console.json(Document(bytes: JSONText.joined(arrays: documents.map(\.bytes))))
        }
        let apps = try documents.flatMap { try $0.decode([App].self) }
        guard !apps.isEmpty else {
            session.console.note("There is no app yet.")
            return session.console.next("slipway app create NAME --remote")
        }
        var table = Table("APP", "ENVIRONMENT", "STATE", "RELEASE", "URL")
        for app in apps {
            let name = "\(app.organisation)/\(app.name)"
            for environment in app.environments ?? [] {
                let latest = environment.latestDeployment
                table.add(
                    .init(name, .bold), .init(environment.name),
                    .init(latest?.state.rawValue, latest?.state.style ?? .plain),
                    .init(environment.currentDeployment.map { "#\($0.number)" }), .init(environment.url))
            }
            if app.environments?.isEmpty != false {
                table.add(.init(name, .bold), .init(nil), .init(nil), .init(nil), .init(nil))
            }
        }
        session.console.data(table.rendered(session.console.outputStyle))
    }

    private func organisations(_ session: Session) async throws -> [String] {
        if let organisation { return [organisation] }
        return try await session.client.get(RequestPath("v1", "user")).decode(User.self).organisations.map(\.name)
    }
}

struct AppInfo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Show an app, its Git address and its environments.")

    @OptionGroup var appOptions: AppOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.app(appOptions.app)
        let document = try await session.client.get(.app(reference))
        if output.json { return session.console.json(document) }
        let app = try document.decode(App.self)
        var fields = Fields()
        fields.add("App", reference.description, .bold)
        fields.add("Id", app.id)
        fields.add("Git", GitRemote(panel: session.login.address, app: reference).url)
        fields.add("Created", TimeText.date(app.createdAt))
        for environment in app.environments ?? [] {
            fields.add("Environment", "\(environment.name): \(environment.url ?? "no URL")")
        }
        session.console.data(fields.rendered(session.console.outputStyle))
    }
}

struct AppDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete an app with its environments, services and data.")

    @Argument(help: ArgumentHelp("The app.", valueName: "organisation/name"))
    var app: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard AppReference(app) != nil else {
            throw ValidationError("The app is \"\(app)\": expected \(AppReference.rule).")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try AppResolution.parse(app, from: "the app")
        try Confirmation.require(
            reference.description,
            consequence: "\(reference) will be deleted with all its environments, releases, databases and their data.",
            isGiven: yes, session.context)
        let document = try await session.client.delete(.app(reference))
        if output.json { session.console.json(document) }
        session.console.note("Deleted \(reference).")
        session.console.next("git remote remove \(GitRemote.name)   (in its folder)", "slipway app list")
    }
}
