// SPDX-License-Identifier: Apache-2.0

/// Which app a command means.
enum AppResolution {
    /// The option wins over `SLIPWAY_APP`, which wins over the Git remote of the current folder.
    ///
    /// - Parameter remote: asked only when the others say nothing.
    static func resolve(
        option: String?, environment: [String: String], panel: PanelAddress, remote: () async throws -> String?
    ) async throws -> AppReference {
        if let option {
            return try parse(option, from: "--app")
        }
        if let variable = environment["SLIPWAY_APP"], !variable.isEmpty {
            return try parse(variable, from: "SLIPWAY_APP")
        }
        guard let url = try await remote() else {
            throw CLIError(
                "which app? This folder has no Git remote named \"\(GitRemote.name)\"",
                hint: "Name it with --app organisation/name, or go to the app's folder and run: "
                    + "slipway app remote organisation/name")
        }
        return try app(ofRemote: url, panel: panel)
    }

    static func parse(_ text: String, from source: String) throws(CLIError) -> AppReference {
        guard let app = AppReference(text) else {
            throw CLIError("\(source) is \"\(text)\": expected \(AppReference.rule)")
        }
        return app
    }

    /// The app of a remote on another panel must not be looked for on this one: it may exist there too.
    private static func app(ofRemote url: String, panel: PanelAddress) throws(CLIError) -> AppReference {
        guard let remote = GitRemote(url: url) else {
            throw CLIError(
                "the Git remote \"\(GitRemote.name)\" does not point to an app of a panel",
                hint: "Its address ends with /git/organisation/name.git. Name the app instead: --app organisation/name")
        }
        guard remote.panel == panel else {
            throw CLIError(
                "the Git remote \"\(GitRemote.name)\" belongs to \(remote.panel), but you are logged in to \(panel)",
                hint: "Log in there: slipway login --url \(remote.panel)")
        }
        return remote.app
    }
}
