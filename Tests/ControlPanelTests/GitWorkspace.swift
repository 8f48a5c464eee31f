// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

@testable import ControlPanel

/// A developer's clone.
struct GitWorkspace: Sendable {
    let path: String

    static let manifest = """
        build:
          runtime: python:3.11
        web:
          command: python3 -m http.server $PORT

        """

    init(in folder: String) async throws {
        path = "\(folder)/work-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try await git("init", "--quiet", "--initial-branch=main")
        try await commit("first", files: ["slipway.yaml": Self.manifest])
    }

    /// - Returns: the new commit's id.
    @discardableResult
    func commit(_ message: String, files: [String: String]) async throws -> String {
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)")) }
        try await git("add", "--all")
        try await git("commit", "--quiet", "--message", message)
        return try await git("rev-parse", "HEAD").text.split(separator: "\n").first.map(String.init) ?? ""
    }

    @discardableResult
    func git(_ arguments: String...) async throws -> GitCommand.Output {
        let result = try await attempt(arguments)
        guard result.isSuccess else { throw GitCommand.Failure(description: "\(arguments): \(result.message)") }
        return result
    }

    func attempt(_ arguments: [String]) async throws -> GitCommand.Output {
        try await GitCommand().run(
            ["-C", path, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false"]
                + arguments)
    }

    /// Stores the branch in the app's repository without asking the panel.
    func store(_ branch: String = "main", in app: App, of fixture: PanelFixture) async throws {
        let repository = try await fixture.panel.repositories.ensure(app)
        try await git("push", "--quiet", "--force", repository.path ?? "", branch)
    }
}
