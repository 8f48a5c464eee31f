// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import ControlPanel

private let old = String(repeating: "0", count: 40)
private let new = String(repeating: "a", count: 40)

/// A commit made of names and contents.
private struct Files: CommitFiles {
    var contents: [String: String] = [:]
    var modes: [String: String] = [:]
    var sizes: [String: Int] = [:]

    func entry(at file: String, in commit: String) async throws -> GitRepository.Entry? {
        contents[file].map {
            GitRepository.Entry(mode: modes[file] ?? "100644", id: file, size: sizes[file] ?? $0.utf8.count)
        }
    }

    func contents(of entry: GitRepository.Entry, limit: Int) async throws -> [UInt8] {
        Array((contents[entry.id] ?? "").utf8)
    }
}

private let manifest = """
    build:
      runtime: python:3.11
    web:
      command: python3 app.py
    """

@Suite struct PreReceiveTests {
    private func problems(_ reference: String, _ files: Files, new: String = new) async -> [String] {
        await PreReceive.problems(["\(old) \(new) \(reference)"], files: files)
    }

    @Test func aBranchWithAManifestIsAccepted() async {
        #expect(await problems("refs/heads/main", Files(contents: ["slipway.yaml": manifest])).isEmpty)
    }

    @Test func aBranchWithoutAManifestIsShownOne() async {
        let text = await problems("refs/heads/main", Files()).joined(separator: "\n")
        #expect(text.contains("no file slipway.yaml"))
        #expect(text.contains("runtime: python:3.11"))
    }

    @Test func everyProblemOfTheManifestIsTold() async {
        let files = Files(contents: ["slipway.yaml": "biuld: {}\nweb:\n  port: abc\n"])
        let text = await problems("refs/heads/main", files).joined(separator: "\n")
        #expect(text.contains("biuld"))
        #expect(text.contains("web.port"))
    }

    @Test func tagsAndDeletionsNeedNoManifest() async {
        #expect(await problems("refs/tags/v1", Files()).isEmpty)
        #expect(await problems("refs/heads/main", Files(), new: old).isEmpty)
    }

    @Test func otherReferencesAreRefused() async {
        #expect(await problems("refs/notes/x", Files())[0].contains("neither a branch nor a tag"))
    }

    @Test func aHugeOrLinkedManifestIsNotRead() async {
        var files = Files(contents: ["slipway.yaml": manifest], sizes: ["slipway.yaml": 1 << 30])
        #expect(await problems("refs/heads/main", files).joined().contains("at most \(Limits.manifestBytesMax)"))
        files = Files(contents: ["slipway.yaml": manifest], modes: ["slipway.yaml": "120000"])
        #expect(await problems("refs/heads/main", files).joined().contains("not a regular file"))
    }

    @Test func theDockerfileMustBeInTheCommit() async {
        let manifest = "build:\n  dockerfile: docker/web.Dockerfile\nweb:\n  port: 8000\n"
        var files = Files(contents: ["slipway.yaml": manifest])
        #expect(await problems("refs/heads/main", files).joined().contains("docker/web.Dockerfile"))
        files.contents["docker/web.Dockerfile"] = "FROM scratch"
        #expect(await problems("refs/heads/main", files).isEmpty)
    }

    @Test func entriesOfATreeAreParsed() {
        #expect(
            GitRepository.parseEntry("100644 blob 1234abcd     77\tslipway.yaml\0")
                == GitRepository.Entry(mode: "100644", id: "1234abcd", size: 77))
        #expect(GitRepository.parseEntry("040000 tree 1234abcd       -\tx\0")?.size == nil)
        #expect(GitRepository.parseEntry("") == nil)
    }
}
