// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Glibc

/// The bare Git repositories of all apps, at `<root>/<organisation>/<app>.git`.
///
/// A marker file in each tells which app it belongs to, so that a new app of an old name never gets what the old one
/// left. What is removed is first renamed, so that it is gone at once or not at all.
actor Repositories {
    let root: String
    private let git = GitCommand()
    private static let marker = "slipway-app"

    init(root: String) { self.root = root }

    nonisolated var hooksFolder: String { "\(root)/.hooks" }
    private nonisolated var newFolder: String { "\(root)/.new" }
    private nonisolated var trashFolder: String { "\(root)/.trash" }

    private nonisolated func path(organisation: String, app: String) -> String { "\(root)/\(organisation)/\(app).git" }

    // MARK: Start

    /// Makes the folders and the hook; takes away what an earlier process left half-made.
    ///
    /// - Parameter hookCommand: program and arguments of the `pre-receive` hook.
    func prepare(hookCommand: [String]) async throws {
        for folder in [hooksFolder, newFolder, trashFolder] { try makeFolder(folder) }
        let command = hookCommand.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
        let hook = "\(hooksFolder)/pre-receive"
        try Data("#!/bin/sh\nexec \(command)\n".utf8).write(to: URL(filePath: hook), options: .atomic)
        guard chmod(hook, 0o755) == 0 else { throw failure("cannot make \(hook) executable") }
        try await remove(contentsOf: newFolder)
        try await emptyTrash()
    }

    // MARK: Repositories

    /// The app's repository, made where it is missing.
    @discardableResult
    func ensure(_ app: App) async throws -> GitRepository {
        let place = path(organisation: app.organisation, app: app.name)
        let repository = GitRepository(path: place)
        if owner(of: place) == app.id { return repository }
        let fresh = "\(newFolder)/\(app.id)-\(UInt64.random(in: .min ... .max))"
        let made = try await git.run([
            "init", "--bare", "--quiet", "--initial-branch=\(AppEnvironment.mainName)", "--template=", "--", fresh,
        ])
        guard made.isSuccess else { throw failure("git init: \(made.message)") }
        try Data(app.id.rawValue.utf8).write(to: URL(filePath: "\(fresh)/\(Self.marker)"), options: .atomic)
        try makeFolder("\(root)/\(app.organisation)")
        // From here on nothing else runs in between.
        if let holder = owner(of: place) {
            if holder == app.id {
                // Another request was faster.
                try discard(fresh, of: holder)
                return repository
            }
            try discard(place, of: holder)
        } else if FileManager.default.fileExists(atPath: place) {
            throw failure("\(place) is in the way: it is not a repository of the panel, move it elsewhere")
        }
        try rename(fresh, to: place)
        return repository
    }

    /// Takes the app's repository away, where it is still there.
    func remove(app: AppID, organisation: String, name: String) async throws {
        let place = path(organisation: organisation, app: name)
        if owner(of: place) == app {
            try discard(place, of: app)
        }
        try await emptyTrash()
    }

    private func discard(_ place: String, of app: AppID) throws {
        try rename(place, to: "\(trashFolder)/\(app)-\(UInt64.random(in: .min ... .max))")
    }

    private func owner(of place: String) -> AppID? {
        guard let text = try? String(contentsOfFile: "\(place)/\(Self.marker)", encoding: .utf8) else { return nil }
        return AppID(text)
    }

    // MARK: Files

    private func emptyTrash() async throws { try await remove(contentsOf: trashFolder) }

    /// A large repository takes its time: another process does it.
    private func remove(contentsOf folder: String) async throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            let result = try await git.run(["-rf", "--", "\(folder)/\(name)"], program: "rm")
            guard result.isSuccess else { throw failure("cannot remove \(folder)/\(name): \(result.message)") }
        }
    }

    private func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    private func rename(_ from: String, to: String) throws {
        guard Glibc.rename(from, to) == 0 else {
            throw failure("cannot move \(from) to \(to): \(String(cString: strerror(errno)))")
        }
    }

    private func failure(_ text: String) -> GitCommand.Failure { GitCommand.Failure(description: text) }
}
