// SPDX-License-Identifier: Apache-2.0
import Domain
import Manifest

/// Where a commit's files come from.
protocol CommitFiles: Sendable {
    func entry(at file: String, in commit: String) async throws -> GitRepository.Entry?
    func contents(of entry: GitRepository.Entry, limit: Int) async throws -> [UInt8]
}

extension GitRepository: CommitFiles {}

/// Whether a commit can be deployed.
enum ManifestCheck: Sendable {
    case valid(AppSpec)
    /// Lines for the developer: every problem, and the fix.
    case invalid([String])

    static let minimalExample = [
        "  build:", "    runtime: python:3.11", "  web:", "    command: python3 -m http.server $PORT",
    ]

    static func check(_ commit: String, in files: some CommitFiles) async throws -> ManifestCheck {
        let name = Manifest.fileName
        guard let entry = try await files.entry(at: name, in: commit) else {
            return .invalid(
                ["there is no file \(name) at the root of the repository. A minimal one:"] + minimalExample)
        }
        guard entry.isRegularFile, let size = entry.size else {
            return .invalid(["\(name) is not a regular file: commit the file itself, not a link or a folder"])
        }
        // Looked at before the content is read: the size of a commit's files is anyone's choice.
        guard size <= Limits.manifestBytesMax else {
            return .invalid(["\(name) has \(size) bytes, at most \(Limits.manifestBytesMax) are read"])
        }
        let spec: AppSpec
        do {
            spec = try Manifest.parse(try await files.contents(of: entry, limit: Limits.manifestBytesMax))
        } catch let errors as ManifestErrors {
            return .invalid(errors.description.split(separator: "\n").map(String.init))
        }
        guard case .dockerfile(let path) = spec.build.source else { return .valid(spec) }
        guard let dockerfile = try await files.entry(at: path, in: commit), dockerfile.isRegularFile else {
            return .invalid([
                "\(name): build.dockerfile: found \"\(path)\", which is not a file of this commit: "
                    + "commit it, or name the one to build from"
            ])
        }
        return .valid(spec)
    }
}
