// SPDX-License-Identifier: Apache-2.0

/// The Git working copy of the current folder.
struct WorkingCopy: Sendable {
    let git: any GitRunner

    func exists() async -> Bool {
        await git.git(["rev-parse", "--is-inside-work-tree"]).status == 0
    }

    /// `nil` outside a working copy, without that remote, and without Git.
    func remoteURL(_ name: String) async -> String? {
        let result = await git.git(["remote", "get-url", name])
        guard result.status == 0 else { return nil }
        let url = Self.line(result.output)
        return url.isEmpty ? nil : url
    }

    /// `nil` when no branch is checked out.
    func branch() async -> String? {
        let result = await git.git(["symbolic-ref", "--quiet", "--short", "HEAD"])
        guard result.status == 0 else { return nil }
        return Self.line(result.output)
    }

    /// Points the remote to the app, whatever it pointed to before, and has Git ask `helper` for the password.
    func connect(_ remote: GitRemote, helper: String) async throws {
        let verb = await remoteURL(GitRemote.name) == nil ? "add" : "set-url"
        try await run(["remote", verb, GitRemote.name, remote.url])
        let key = "credential.\(remote.panel.origin).helper"
        // The empty value takes away helpers configured elsewhere, which would store the token in a place of their own.
        try await run(["config", "--local", "--replace-all", key, ""])
        try await run(["config", "--local", "--add", key, helper])
    }

    private func run(_ arguments: [String]) async throws(CLIError) {
        let result = await git.git(arguments)
        if result.status == 0 { return }
        let reason = Self.line(result.errorText)
        throw CLIError(
            "git \(arguments[0]) failed: \(reason.isEmpty ? "status \(result.status)" : reason)",
            hint: result.status == GitResult.notFound ? "Is Git installed?" : nil)
    }

    /// The first line.
    private static func line(_ text: String) -> String {
        String(text.prefix { !$0.isNewline })
    }
}
