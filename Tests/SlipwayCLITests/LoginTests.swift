// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import SlipwayCLI

struct LoginFileTests {
    @Test func theConfigurationFolderIsTheUsers() throws {
        #expect(
            try LoginFile(environment: ["XDG_CONFIG_HOME": "/x", "HOME": "/h"]).path == "/x/slipway/config.json")
        #expect(try LoginFile(environment: ["HOME": "/h"]).path == "/h/.config/slipway/config.json")
        #expect(
            try LoginFile(environment: ["XDG_CONFIG_HOME": "relative", "HOME": "/h"]).path
                == "/h/.config/slipway/config.json")
        #expect(throws: CLIError.self) { try LoginFile(environment: [:]) }
    }

    @Test func whatIsWrittenIsReadBackAndClosedToOthers() async throws {
        try await withTemporaryFolder { folder in
            let file = try LoginFile(environment: ["XDG_CONFIG_HOME": folder + "/new/deep"])
            #expect(try file.read() == nil)
            let login = StoredLogin(url: "https://panel.test", token: "slp_1")
            try file.write(StoredLogin(url: "https://old.test", token: "slp_0"))
            try file.write(login)
            #expect(try file.read() == login)
            #expect(!file.isExposed)
            chmod(file.path, 0o644)
            #expect(file.isExposed)
            #expect(try file.remove())
            #expect(try !file.remove())
        }
    }

    @Test(arguments: ["", "{", "[]", #"{"url":1}"#])
    func aDamagedFileIsNamed(text: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try LoginFile(environment: ["XDG_CONFIG_HOME": folder])
            try BoundedFile.makeFolder(folder + "/slipway")
            try BoundedFile.writePrivate(Array(text.utf8), to: file.path)
            let error = #expect(throws: CLIError.self) { try file.read() }
            #expect(error?.message.contains(file.path) == true)
        }
    }

    @Test func aFileBeyondTheLimitIsNotRead() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/large"
            try BoundedFile.writePrivate([UInt8](repeating: 0, count: 11), to: path)
            #expect(throws: BoundedFile.Failure.tooLarge(limit: 10)) { try BoundedFile.read(path: path, limit: 10) }
            #expect(try BoundedFile.read(path: path, limit: 11).count == 11)
        }
    }
}

struct LoginResolutionTests {
    private let stored = StoredLogin(url: "https://panel.test", token: "slp_stored")

    @Test func theRememberedLoginIsUsed() throws {
        let login = try Login.resolve(environment: [:], stored: stored)
        #expect(login.address.description == "https://panel.test")
        #expect(login.token == "slp_stored")
    }

    @Test func theEnvironmentWins() throws {
        let login = try Login.resolve(
            environment: ["SLIPWAY_URL": "http://other.test/", "SLIPWAY_TOKEN": " slp_env\n"], stored: stored)
        #expect(login.address.description == "http://other.test")
        #expect(login.token == "slp_env")
    }

    @Test func aRememberedTokenIsGivenToNoOtherPanel() {
        #expect(throws: CLIError.self) {
            try Login.resolve(environment: ["SLIPWAY_URL": "https://evil.test"], stored: stored)
        }
    }

    @Test func aRememberedTokenIsGivenToItsPanelHoweverItIsWritten() throws {
        let login = try Login.resolve(environment: ["SLIPWAY_URL": "https://PANEL.test:443/"], stored: stored)
        #expect(login.token == "slp_stored")
    }

    @Test func nobodyLoggedInIsSaid() {
        let error = #expect(throws: CLIError.self) { try Login.resolve(environment: [:], stored: nil) }
        #expect(error?.message == "you are not logged in")
    }

    @Test(arguments: ["", " ", "slp_a b", "slp_a\r\nX-Evil: 1", "slp_ü"])
    func aTokenThatIsNoTokenIsRefused(text: String) {
        #expect(throws: CLIError.self) { try Login.checked(text) }
    }
}
