// SPDX-License-Identifier: Apache-2.0

/// `slipway-panel pre-receive`: Git runs it before it accepts a push, with the pushed objects in quarantine.
public enum PreReceive {
    private static let inputLinesMax = 1_000

    /// - Parameter input: one line `<old> <new> <reference>` for each reference, as githooks(5) describes.
    /// - Returns: why the push is refused, line by line; empty when it is accepted.
    public static func run(_ input: [String]) async -> [String] {
        let repository = GitRepository(path: nil, git: GitCommand(surroundings: .inherited))
        return await problems(input, files: repository)
    }

    static func problems(_ input: [String], files: some CommitFiles) async -> [String] {
        guard input.count <= inputLinesMax else {
            return ["a push changes at most \(inputLinesMax) references: push fewer at a time"]
        }
        var problems: [String] = []
        for line in input {
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard parts.count == 3 else { return ["the push cannot be understood: \(line.prefix(200))"] }
            problems += await check(ReferenceUpdate(old: parts[0], new: parts[1], name: parts[2]), files: files)
        }
        return problems
    }

    private static func check(_ update: ReferenceUpdate, files: some CommitFiles) async -> [String] {
        if update.name.hasPrefix("refs/tags/") { return [] }
        guard let branch = update.branch else {
            return ["\(update.name) is neither a branch nor a tag: only those can be pushed"]
        }
        guard ReferenceName.isBranch(branch) else {
            return [
                "the branch name \(branch.prefix(100)) cannot be used: at most \(PanelLimits.branchBytesMax) bytes"
            ]
        }
        if update.isDeletion { return [] }
        do {
            switch try await ManifestCheck.check(update.new, in: files) {
            case .valid: return []
            case .invalid(let lines): return ["the branch \(branch) cannot be deployed:"] + lines.map { "  " + $0 }
            }
        } catch {
            return ["the commit \(update.new.prefix(12)) cannot be read: \(error)"]
        }
    }
}
