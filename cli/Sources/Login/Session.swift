// SPDX-License-Identifier: Apache-2.0

/// A command's hold of the panel, as the user who is logged in.
struct Session: Sendable {
    let context: CommandContext
    let login: Login
    let client: PanelClient

    var console: Console { context.console }

    static func open(_ context: CommandContext = .current) throws -> Session {
        let file = try LoginFile(environment: context.environment)
        let stored = try file.read()
        if stored != nil, file.isExposed {
            context.console.note("Others on this machine can read your token. Close it to them: chmod 600 \(file.path)")
        }
        return Session(context: context, login: try Login.resolve(environment: context.environment, stored: stored))
    }

    init(context: CommandContext, login: Login) {
        self.context = context
        self.login = login
        client = PanelClient(address: login.address, token: login.token, context: context)
    }

    func app(_ option: String?) async throws -> AppReference {
        try await AppResolution.resolve(
            option: option, environment: context.environment, panel: login.address,
            remote: { await WorkingCopy(git: context.git).remoteURL(GitRemote.name) })
    }

    /// The organisation that is named, or the only one the user belongs to.
    ///
    /// - Parameter example: a command that names the organisation `$0`, for who must choose.
    func organisation(
        _ option: String?, example: (String) -> String = { "--organisation \($0)" }
    ) async throws -> String {
        if let option { return option }
        let user = try await client.get(RequestPath("v1", "user")).decode(User.self)
        guard let only = user.organisations.first else {
            throw CLIError("you belong to no organisation", hint: "Create one first: slipway org create NAME")
        }
        guard user.organisations.count == 1 else {
            throw CLIError(
                "which organisation? You belong to \(user.organisations.map(\.name).joined(separator: ", "))",
                hint: "For example: \(example(only.name))")
        }
        return only.name
    }

    func environment(_ options: EnvironmentOptions) async throws -> EnvironmentReference {
        EnvironmentReference(app: try await app(options.app), name: options.environment)
    }
}
