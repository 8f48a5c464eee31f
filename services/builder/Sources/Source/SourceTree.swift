// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// A commit in a bare repository of its own inside a build's folder.
struct SourceTree: Sendable {
    let git: Git
    let folder: String
    let commit: String

    private var repository: String { folder + "/source.git" }
    var contextPath: String { folder + "/context.tar" }

    /// Fetches one commit and checks that it is the one that was meant.
    ///
    /// - Parameters:
    ///   - protocols: `http` and `https`, except in tests.
    ///   - note: told when the source cannot be reached and is tried again.
    static func fetch(
        _ source: SourceLocation, token: String, into folder: String, git: Git = Git(),
        protocols: [String] = ["http", "https"], note: @Sendable (String) -> Void
    ) async throws -> SourceTree {
        guard GitInvocation.isObjectName(source.commit), GitInvocation.isObjectName(source.tree) else {
            throw BuildFailure("The build request names no commit: this is a fault of the platform.")
        }
        let tree = SourceTree(git: git, folder: folder, commit: source.commit)
        try await tree.initialise()
        let fetch = GitInvocation(
            [
                "-C", tree.repository, "fetch", "--quiet", "--depth", "1", "--no-tags", "--no-recurse-submodules", "--",
                source.url, source.commit,
            ], home: folder, token: token, protocols: protocols)
        try await tree.fetchPatiently(fetch, note: note)
        let found = try await tree.output(["rev-parse", "--verify", "\(source.commit)^{tree}"])
        guard found.prefix(while: { !$0.isWhitespace }) == source.tree else {
            throw BuildFailure("The commit's files are not those that were pushed: push again.")
        }
        return tree
    }

    private func initialise() async throws {
        _ = try await output(["init", "--quiet", "--bare", repository], inRepository: false)
        // The image holds all files of the commit as they are, whatever its attributes say of archives.
        try TextFile.write("* -export-ignore -export-subst\n", to: repository + "/info/attributes")
    }

    private func fetchPatiently(_ invocation: GitInvocation, note: @Sendable (String) -> Void) async throws {
        let clock = ContinuousClock()
        let end = clock.now + BuilderLimits.outageMax
        var pause = BuilderLimits.outageBackOffMin
        while true {
            let output = try await git.run(invocation)
            if output.isSuccess { return }
            let trouble = GitTrouble(output.complaint)
            guard trouble == .transient, clock.now + pause < end else {
                throw BuildFailure.fetching(trouble, complaint: output.complaint)
            }
            note("The repository cannot be reached at the moment, trying again.")
            try await Task.sleep(for: pause)
            pause = min(pause * 2, BuilderLimits.outageBackOffMax)
        }
    }

    /// Which of `names` are in the root of the tree.
    func present(_ names: [String]) async throws -> Set<String> {
        let listing = try await output(["ls-tree", "--name-only", commit, "--"] + names)
        return Set(listing.split(separator: "\n").map(String.init))
    }

    /// - Returns: `blob`, `tree`, or `nil` when there is no such path.
    func kind(of path: String) async throws -> String? {
        let output = try await git.run(invocation(["cat-file", "-t", "\(commit):\(path)"]))
        return output.isSuccess ? String(output.text.prefix { !$0.isWhitespace }) : nil
    }

    /// `nil` when it is larger than anything that needs to be looked into.
    func text(of path: String) async throws -> String? {
        do {
            return try await output(["cat-file", "blob", "\(commit):\(path)"])
        } catch is GitOutputTooLarge {
            return nil
        }
    }

    /// Writes the tree, and `added` files beside it, as the tar file at `contextPath`.
    func archive(adding added: [(path: String, text: String)]) async throws {
        let files = added.map { "--add-virtual-file=\($0.path):\($0.text)" }
        _ = try await output(["archive", "--format=tar", "-o", contextPath] + files + [commit])
        let size = WorkFolder.fileSize(contextPath)
        guard size <= BuilderLimits.contextBytesMax else {
            throw BuildFailure.sourceTooLarge(limit: BuilderLimits.contextBytesMax)
        }
    }

    private func invocation(_ arguments: [String], inRepository: Bool = true) -> GitInvocation {
        GitInvocation((inRepository ? ["-C", repository] : []) + arguments, home: folder)
    }

    /// - Throws: `BuildFailure` with git's words when it fails.
    private func output(_ arguments: [String], inRepository: Bool = true) async throws -> String {
        let output = try await git.run(invocation(arguments, inRepository: inRepository))
        guard output.isSuccess else {
            throw BuildFailure.preparing(GitTrouble(output.complaint), complaint: output.complaint)
        }
        return output.text
    }
}
