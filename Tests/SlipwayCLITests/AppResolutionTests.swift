// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct GitRemoteTests {
    @Test(
        arguments: [
            ("http://127.0.0.1:8080/git/acme/shop.git", "http://127.0.0.1:8080", "acme/shop"),
            ("https://panel.example.com/git/acme/shop", "https://panel.example.com", "acme/shop"),
            ("https://me:word@panel.example.com/git/acme/shop.git/", "https://panel.example.com", "acme/shop"),
            ("https://example.com/slipway/git/acme/shop.git", "https://example.com/slipway", "acme/shop"),
        ])
    func aRemoteNamesPanelAndApp(url: String, panel: String, app: String) {
        let remote = GitRemote(url: url)
        #expect(remote?.panel.description == panel)
        #expect(remote?.app.description == app)
    }

    @Test(
        arguments: [
            "", "git@github.com:acme/shop.git", "https://github.com/acme/shop.git", "https://panel/git/acme.git",
            "https://panel/git/Acme/shop.git", "https://panel/git/acme/../shop.git", "/srv/git/acme/shop.git",
        ])
    func otherRemotesNameNoApp(url: String) {
        #expect(GitRemote(url: url) == nil)
    }

    @Test func theURLIsReadBackAsItWasWritten() throws {
        let panel = try #require(PanelAddress("https://example.com/slipway"))
        let remote = GitRemote(panel: panel, app: AppReference(organisation: "acme", name: "shop"))
        #expect(remote.url == "https://example.com/slipway/git/acme/shop.git")
        #expect(GitRemote(url: remote.url) == remote)
    }
}

struct AppResolutionTests {
    private func resolve(option: String? = nil, variable: String? = nil, remote: String? = nil) async throws -> String {
        let panel = try #require(PanelAddress("http://panel.test:8080"))
        var environment: [String: String] = [:]
        environment["SLIPWAY_APP"] = variable
        return try await AppResolution.resolve(
            option: option, environment: environment, panel: panel, remote: { remote }
        ).description
    }

    @Test func theOptionWinsOverTheVariableOverTheRemote() async throws {
        let remote = "http://panel.test:8080/git/acme/remote.git"
        #expect(try await resolve(option: "acme/one", variable: "acme/two", remote: remote) == "acme/one")
        #expect(try await resolve(variable: "acme/two", remote: remote) == "acme/two")
        #expect(try await resolve(variable: "", remote: remote) == "acme/remote")
    }

    @Test func withoutAnyOfThemTheUserIsAsked() async {
        await #expect(throws: CLIError.self) { try await resolve() }
    }

    @Test func aRemoteOnAnotherPanelIsNotLookedForOnThisOne() async throws {
        let error = await #expect(throws: CLIError.self) {
            try await resolve(remote: "http://elsewhere.test/git/acme/shop.git")
        }
        #expect(error?.message.contains("http://elsewhere.test") == true)
    }

    @Test(arguments: ["shop", "acme/shop/x", "/shop", "Acme/shop", "acme/", "a b/c"])
    func aWrongNameIsRefused(name: String) async {
        await #expect(throws: CLIError.self) { try await resolve(variable: name) }
    }
}

struct CredentialRequestTests {
    private func answer(_ request: String, panel: String = "http://127.0.0.1:8080") throws -> String? {
        let address = try #require(PanelAddress(panel))
        return CredentialRequest(request).answer(for: Login(address: address, token: "slp_secret"))
    }

    @Test func thePanelsHostGetsTheToken() throws {
        #expect(
            try answer("protocol=http\nhost=127.0.0.1:8080\npath=git/acme/shop.git\n\n")
                == "username=slipway\npassword=slp_secret")
        #expect(try answer("protocol=https\nhost=Panel.test\n", panel: "https://panel.test/base") != nil)
    }

    @Test(
        arguments: [
            "protocol=https\nhost=127.0.0.1:8080\n", "protocol=http\nhost=127.0.0.1\n",
            "protocol=http\nhost=evil.test\n",
            "protocol=http\n", "", "host=127.0.0.1:8080\n", "\nprotocol=http\nhost=127.0.0.1:8080\n",
            "protocol=http\nhost=127.0.0.1:8080@evil.test\n",
        ])
    func everyOtherHostGetsNothing(request: String) throws {
        #expect(try answer(request) == nil)
    }
}

struct WorkingCopyTests {
    @Test func connectingReplacesAnOlderRemoteAndKeepsOtherHelpersOut() async throws {
        let panel = try #require(PanelAddress("http://panel.test:8080"))
        let remote = GitRemote(panel: panel, app: AppReference(organisation: "acme", name: "shop"))
        let set = "remote set-url slipway http://panel.test:8080/git/acme/shop.git"
        let key = "credential.http://panel.test:8080.helper"
        let ok = GitResult(status: 0)
        let git = FakeGit([
            "remote get-url slipway": GitResult(status: 0, output: "http://old.test/git/acme/old.git\n"),
            set: ok,
            "config --local --replace-all \(key) ": ok,
            "config --local --add \(key) !slipway git-credential": ok,
        ])
        try await WorkingCopy(git: git).connect(remote, helper: "!slipway git-credential")
        #expect(git.commands.count == 4)
    }

    @Test func aFailureOfGitIsToldInItsWords() async throws {
        let panel = try #require(PanelAddress("http://panel.test:8080"))
        let remote = GitRemote(panel: panel, app: AppReference(organisation: "acme", name: "shop"))
        let error = await #expect(throws: CLIError.self) {
            try await WorkingCopy(git: FakeGit()).connect(remote, helper: "!x")
        }
        #expect(error?.message == "git remote failed: error: No such remote")
    }
}

struct ShellQuotingTests {
    @Test(arguments: [("/usr/bin/slipway", "/usr/bin/slipway"), ("/a b/it's", #"'/a b/it'\''s'"#), ("", "''")])
    func awkwardWordsAreQuoted(text: String, expected: String) {
        #expect(ShellQuoting.quote(text) == expected)
    }
}
