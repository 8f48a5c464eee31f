// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Domain

struct AppCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create an app.",
        discussion: """
            With --remote, the working copy of the current folder gets the Git remote "slipway", and Git is told to \
            ask this program for the password, so that "git push" needs none.
            """)

    @Argument(help: ArgumentHelp("Its name, or organisation/name.", valueName: "name"))
    var name: String

    @Option(
        name: [.customShort("o"), .customLong("organisation")],
        help: "The organisation it belongs to. Needed only when you belong to several.")
    var organisation: String?

    @Flag(help: "Add the Git remote \"slipway\" to the working copy of the current folder.")
    var remote = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if name.contains("/") {
            guard AppReference(name) != nil else {
                throw ValidationError("The app is \"\(name)\": expected \(AppReference.rule).")
            }
            if organisation != nil { throw ValidationError("Give the organisation once.") }
        } else {
            try Names.check(name, what: "The app's name is")
        }
        if let organisation { try Names.check(organisation, what: "--organisation is") }
    }

    func run() async throws {
        let session = try Session.open()
        let copy = WorkingCopy(git: session.context.git)
        if remote, await !copy.exists() {
            throw CLIError(
                "--remote: the current folder is not in a Git working copy",
                hint: "Run git init first, or leave --remote out.")
        }
        let reference = try await self.reference(session)
        let document = try await session.client.post(
            RequestPath.organisation(reference.organisation).appending("apps"), NewApp(name: reference.name))
        if output.json { session.console.json(document) }
        session.console.note("Created \(reference).")

        let gitRemote = GitRemote(panel: session.login.address, app: reference)
        let helper = CredentialHelper.configurationValue()
        if remote {
            try await copy.connect(gitRemote, helper: helper)
            session.console.note("Added the Git remote \"\(GitRemote.name)\": \(gitRemote.url)")
        }
        session.console.next(
            GitAdvice.steps(for: gitRemote, isConnected: remote, helper: helper, branch: await copy.branch()))
    }

    private func reference(_ session: Session) async throws -> AppReference {
        if let reference = AppReference(name) { return reference }
        let owner = try await session.organisation(organisation) { "slipway app create \($0)/\(name)" }
        return AppReference(organisation: owner, name: name)
    }
}

struct AppConnect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remote", abstract: "Point the current folder's Git remote \"slipway\" to an app.")

    @Argument(help: ArgumentHelp("The app.", valueName: "organisation/name"))
    var app: String

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard AppReference(app) != nil else {
            throw ValidationError("The app is \"\(app)\": expected \(AppReference.rule).")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let copy = WorkingCopy(git: session.context.git)
        guard await copy.exists() else {
            throw CLIError("the current folder is not in a Git working copy", hint: "Run git init or git clone first.")
        }
        let reference = try AppResolution.parse(app, from: "the app")
        // The panel is asked first, so that a wrong name does not replace a remote that works.
        let document = try await session.client.get(.app(reference))
        let gitRemote = GitRemote(panel: session.login.address, app: reference)
        let helper = CredentialHelper.configurationValue()
        try await copy.connect(gitRemote, helper: helper)
        if output.json { session.console.json(document) }
        session.console.note("The Git remote \"\(GitRemote.name)\" is \(gitRemote.url).")
        session.console.next(
            GitAdvice.steps(for: gitRemote, isConnected: true, helper: helper, branch: await copy.branch()))
    }
}

/// The commands between a created app and a deployed one.
enum GitAdvice {
    static func steps(for remote: GitRemote, isConnected: Bool, helper: String, branch: String?) -> [String] {
        // Pushing to `main` deploys; what the local branch is called does not matter.
        let target = EnvironmentReference.defaultName
        let source = branch == target ? target : "HEAD:\(target)"
        let push = "git push \(GitRemote.name) \(source)"
        if isConnected { return [push + "   (deploys; the password comes from slipway git-credential)"] }
        return [
            "git remote add \(GitRemote.name) \(remote.url)",
            "git config credential.\(remote.panel.origin).helper \(ShellQuoting.quote(helper))",
            push + "   (deploys)",
        ]
    }
}
