// SPDX-License-Identifier: Apache-2.0
import Events
import FoundationEssentials
import Testing

@testable import Builder

@Suite struct GitTests {
    @Test func theTokenIsInTheEnvironmentAndNeverInTheArguments() {
        let invocation = GitInvocation(
            ["fetch", "--", "http://panel/git/acme/shop.git"], home: "/nowhere", token: Requests.token,
            protocols: ["http", "https"])
        let encoded = GitInvocation.basic(Requests.token)
        #expect(!invocation.arguments.contains { $0.contains(Requests.token) || $0.contains(encoded) })
        #expect(invocation.environment.values.contains("Authorization: Basic \(encoded)"))
        #expect(!invocation.environment.values.contains { $0.contains(Requests.token) })
    }

    @Test func nothingOfTheProcessesEnvironmentReachesGit() {
        let invocation = GitInvocation(["status"], home: "/nowhere")
        #expect(invocation.environment["SLIPWAY_BUILDER_PRIVATE_KEY"] == nil)
        let others = invocation.environment.keys.filter { !$0.hasPrefix("GIT_") }
        #expect(Set(others) == ["PATH", "HOME", "LC_ALL"])
    }

    @Test(
        arguments: [
            ("fatal: unable to access 'http://x/': Failed to connect to x port 1: Connection refused", .transient),
            ("fatal: unable to access 'http://x/': Could not resolve host: x", .transient),
            ("error: RPC failed; curl 18 transfer closed\nfatal: early EOF", .transient),
            ("fatal: unable to access 'http://x/': The requested URL returned error: 503", .transient),
            ("fatal: Authentication failed for 'http://x/'", .denied),
            ("fatal: unable to access 'http://x/': The requested URL returned error: 403", .denied),
            ("fatal: could not read Username for 'http://x': terminal prompts disabled", .denied),
            ("fatal: remote error: upload-pack: not our ref 1111", .missing),
            ("fatal: repository 'http://x/' not found", .missing),
            ("fatal: write error: No space left on device", .diskFull), ("fatal: something new", .other),
        ] as [(String, GitTrouble)])
    func complaintsAreTold(_ complaint: String, _ trouble: GitTrouble) {
        #expect(GitTrouble(complaint) == trouble)
    }

    @Test(arguments: ["--upload-pack=id", "HEAD", "", "ABCDEF", String(repeating: "a", count: 41)])
    func onlyObjectNamesAreFetched(_ name: String) {
        #expect(!GitInvocation.isObjectName(name))
    }

    private func fetch(
        _ repository: Repository, into folder: String, tree: String? = nil, protocols: [String] = ["file"]
    ) async throws -> SourceTree {
        var source = try Requests().request(repository).source
        source.tree = tree ?? source.tree
        let place = folder + "/build"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        return try await SourceTree.fetch(
            source, token: Requests.token, into: place, protocols: protocols, note: { _ in })
    }

    @Test func theContextHoldsTheCommitWhateverItsAttributesSay() async throws {
        try await withTemporaryFolder { folder in
            let repository = try await Repository.make(
                in: folder,
                [
                    "app.py": "print(1)\n", "docs/guide.md": "GUIDE-TEXT\n", "version": "$Format:%H$\n",
                    ".gitattributes": "docs export-ignore\nversion export-subst\n", ".slipway.Dockerfile": "OLD-TEXT\n",
                ])
            let source = try await fetch(repository, into: folder)
            #expect(try await source.present(["app.py", "requirements.txt", "docs"]) == ["app.py", "docs"])
            #expect(try await source.kind(of: "docs/guide.md") == "blob")
            #expect(try await source.kind(of: "docs") == "tree")
            #expect(try await source.kind(of: "nothing") == nil)
            #expect(try await source.text(of: "app.py") == "print(1)\n")
            try await source.archive(adding: [(".slipway.Dockerfile", "NEW-TEXT\n")])
            let bytes = try #require(FileManager.default.contents(atPath: source.contextPath))
            let context = String(decoding: bytes, as: UTF8.self)
            #expect(context.contains("GUIDE-TEXT") && context.contains("$Format:%H$"))
            // Of two files with one name in a tar file, the later one counts.
            let old = try #require(context.firstRange(of: "OLD-TEXT"))
            let new = try #require(context.firstRange(of: "NEW-TEXT"))
            #expect(old.lowerBound < new.lowerBound)
        }
    }

    @Test func aCommitWithOtherFilesThanWereMeantIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let repository = try await Repository.make(in: folder, ["a": "1"])
            await #expect(throws: BuildFailure.self) {
                try await fetch(repository, into: folder, tree: String(repeating: "0", count: 40))
            }
        }
    }

    @Test func otherTransportsThanHTTPAreRefused() async throws {
        try await withTemporaryFolder { folder in
            let repository = try await Repository.make(in: folder, ["a": "1"])
            await #expect(throws: BuildFailure.self) {
                try await fetch(repository, into: folder, protocols: ["http", "https"])
            }
        }
    }

    @Test func aRepositoryThatGrowsTooLargeIsStopped() async throws {
        try await withTemporaryFolder { folder in
            try TextFile.write(String(repeating: "x", count: 2_000), to: folder + "/large")
            await #expect(throws: BuildFailure.sourceTooLarge(limit: 1_000)) {
                try await withinLimits(folder: folder, bytesMax: 1_000, limit: .seconds(60)) {
                    for await _ in AsyncStream<Void>.makeStream().stream {}
                    try Task.checkCancellation()
                }
            }
        }
    }

    @Test func aWorkFolderIsEmptiedAndBelongsToOneBuilder() async throws {
        try await withTemporaryFolder { folder in
            let worker: String
            do {
                let first = try WorkFolder(folder)
                worker = first.worker
                let left = try first.create(for: .generate())
                try TextFile.write("x", to: left + "/x")
                _ = withExtendedLifetime(first) {
                    #expect(throws: WorkFolderError.self) { try WorkFolder(folder) }
                }
            }
            let second = try WorkFolder(folder)
            #expect(second.worker == worker)
            #expect(WorkFolder.size(of: folder + "/builds") == 0)
            #expect(throws: BuildFailure.self) { try second.create(for: .init("../x")) }
        }
    }
}
