// SPDX-License-Identifier: Apache-2.0

/// Reads one repository.
struct GitRepository: Sendable {
    struct Commit: Sendable, Hashable {
        var id: String
        var tree: String
        /// First line of its message.
        var subject: String
    }

    struct Entry: Sendable, Hashable {
        /// Octal, as in `git ls-tree`.
        var mode: String
        var id: String
        /// `nil` for what is not a file.
        var size: Int?

        var isRegularFile: Bool { mode.hasPrefix("100") }
    }

    /// `nil`: the one that the environment names, as in a hook.
    var path: String?
    var git = GitCommand()

    private func run(_ arguments: [String], outputMax: Int = PanelLimits.gitOutputBytesMax) async throws
        -> GitCommand.Output
    {
        let place = path.map { ["--git-dir=\($0)"] } ?? []
        return try await git.run(place + ["--literal-pathspecs"] + arguments, outputMax: outputMax)
    }

    /// The commit a branch points to; `nil` when there is no such branch.
    func head(ofBranch branch: String) async throws -> String? {
        let result = try await run([
            "rev-parse", "--verify", "--quiet", "--end-of-options", "refs/heads/\(branch)^{commit}",
        ])
        return result.isSuccess ? Self.firstLine(result) : nil
    }

    /// All branches with the commits they point to.
    func branches() async throws -> [String: String] {
        let result = try await run(
            ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"],
            outputMax: PanelLimits.referenceListBytesMax)
        guard result.isSuccess else { throw GitCommand.Failure(description: "for-each-ref: \(result.message)") }
        var branches: [String: String] = [:]
        for line in result.text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[1].hasPrefix("refs/heads/") else { continue }
            branches[String(parts[1].dropFirst("refs/heads/".count))] = String(parts[0])
        }
        return branches
    }

    /// - Parameter id: whole or shortened; of the form `ReferenceName.isCommit` accepts.
    func commit(_ id: String) async throws -> Commit? {
        let found = try await run(["rev-parse", "--verify", "--quiet", "--end-of-options", "\(id)^{commit}"])
        guard found.isSuccess, let whole = Self.firstLine(found) else { return nil }
        let result = try await run([
            "-c", "log.showSignature=false", "log", "-1", "--format=%H%n%T%n%s", "--end-of-options", whole, "--",
        ])
        guard result.isSuccess else { throw GitCommand.Failure(description: "log: \(result.message)") }
        let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 3 else { throw GitCommand.Failure(description: "log: unexpected answer") }
        return Commit(
            id: lines[0], tree: lines[1],
            subject: String(LogBudget.clean(lines[2]).prefix(PanelLimits.messageCharactersMax)))
    }

    /// What a commit holds at a path relative to its root; `nil` when nothing.
    func entry(at file: String, in commit: String) async throws -> Entry? {
        let result = try await run(["ls-tree", "-l", "-z", "--full-tree", commit, "--", file])
        guard result.isSuccess else { throw GitCommand.Failure(description: "ls-tree: \(result.message)") }
        return Self.parseEntry(result.text)
    }

    /// `<mode> <type> <object> <size>\t<path>\0`, as `ls-tree -l -z` writes it.
    static func parseEntry(_ text: String) -> Entry? {
        guard let tab = text.firstIndex(of: "\t") else { return nil }
        let parts = text[..<tab].split(separator: " ")
        guard parts.count == 4 else { return nil }
        return Entry(mode: String(parts[0]), id: String(parts[2]), size: Int(parts[3]))
    }

    func contents(of entry: Entry, limit: Int) async throws -> [UInt8] {
        let result = try await run(["cat-file", "blob", entry.id], outputMax: limit)
        guard result.isSuccess else { throw GitCommand.Failure(description: "cat-file: \(result.message)") }
        return result.output
    }

    private static func firstLine(_ output: GitCommand.Output) -> String? {
        output.text.split(separator: "\n").first.map(String.init)
    }
}
