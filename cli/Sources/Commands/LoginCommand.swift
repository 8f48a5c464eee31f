// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Log in to a panel with an access token.",
        discussion: """
            The token is taken from --token-file, then SLIPWAY_TOKEN, then standard input, then a prompt. It is never \
            an argument: arguments are visible to everyone on the machine.

            The panel is asked whose token it is, and only then is it remembered, in a file that its owner alone \
            can read.
            """
    )

    @Option(help: ArgumentHelp("The panel's address. Default: SLIPWAY_URL, then the last login's.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("Read the token from this file.", valueName: "path"))
    var tokenFile: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let url, PanelAddress(url) == nil {
            throw ValidationError("--url is \"\(url)\": expected \(PanelAddress.rule).")
        }
    }

    func run() async throws {
        let context = CommandContext.current
        let console = context.console
        let file = try LoginFile(environment: context.environment)
        let address = try chosenAddress(context, file)
        if address.scheme == "http", !address.isLoopback {
            console.note("\(address) is not encrypted: your token can be read on its way there.")
        }
        let token = try Login.checked(try givenToken(context, address))
        let client = PanelClient(address: address, token: token, context: context)
        let document = try await client.get(RequestPath("v1", "user"))
        let user = try document.decode(User.self)
        try file.write(StoredLogin(url: address.description, token: token))

        if output.json { console.json(document) }
        console.note("Logged in to \(address) as \(user.email).")
        if let organisation = user.organisations.first {
            console.next("slipway app create \(organisation.name)/NAME --remote", "slipway app list")
        } else {
            console.next("slipway org create NAME")
        }
    }

    private func chosenAddress(_ context: CommandContext, _ file: LoginFile) throws -> PanelAddress {
        // A damaged file is what a login repairs.
        let stored = try? file.read()
        let candidates = [url, context.environment["SLIPWAY_URL"], stored?.url]
        guard let text = candidates.compactMap({ $0 }).first(where: { !$0.isEmpty }) else {
            throw ValidationError("Which panel? Give its address: --url https://panel.example.com")
        }
        guard let address = PanelAddress(text) else {
            throw CLIError("the panel's address is \"\(text)\": expected \(PanelAddress.rule)")
        }
        return address
    }

    private func givenToken(_ context: CommandContext, _ address: PanelAddress) throws -> String {
        if let tokenFile {
            do throws(BoundedFile.Failure) {
                let bytes = try BoundedFile.read(path: tokenFile, limit: CLILimits.tokenBytesMax)
                return String(decoding: bytes, as: UTF8.self)
            } catch {
                throw CLIError("--token-file \(tokenFile): \(error)")
            }
        }
        if let token = context.environment["SLIPWAY_TOKEN"], !token.isEmpty { return token }
        if context.console.isInputTerminal { return try context.input.secret("Access token for \(address)") }
        return String(decoding: try context.input.everything(CLILimits.tokenBytesMax), as: UTF8.self)
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Forget the panel and the token.")

    func run() async throws {
        let context = CommandContext.current
        guard try LoginFile(environment: context.environment).remove() else {
            context.console.note("You were not logged in.")
            return
        }
        context.console.note("Logged out. The token itself stays valid until it expires or is revoked.")
        context.console.next("slipway login --url URL")
    }
}

struct WhoAmICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Show whose token is in use, where, and with which roles.")

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let document = try await session.client.get(RequestPath("v1", "user"))
        if output.json { return session.console.json(document) }
        let user = try document.decode(User.self)
        var fields = Fields()
        fields.add("User", user.email)
        if let name = user.name, !name.isEmpty { fields.add("Name", name) }
        fields.add("Panel", session.login.address.description)
        for organisation in user.organisations {
            fields.add("Organisation", organisation.name + (organisation.role.map { " (\($0))" } ?? ""))
        }
        if user.isOperator == true { fields.add("Operator", "of the whole installation") }
        session.console.data(fields.rendered(session.console.outputStyle))
    }
}
