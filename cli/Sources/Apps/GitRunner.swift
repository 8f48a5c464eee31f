// SPDX-License-Identifier: Apache-2.0
import Subprocess

struct GitResult: Sendable, Equatable {
    /// As a shell reports it: 127 when Git could not be started, 124 when it took too long.
    var status: Int32
    var output: String = ""
    var errorText: String = ""

    static let notFound: Int32 = 127
    static let timedOut: Int32 = 124
}

protocol GitRunner: Sendable {
    /// Runs `git` with the arguments in the current folder.
    func git(_ arguments: [String]) async -> GitResult
}

struct GitCommand: GitRunner {
    func git(_ arguments: [String]) async -> GitResult {
        await withTaskGroup(of: GitResult.self) { group in
            group.addTask { await Self.execute(arguments) }
            group.addTask {
                try? await Task.sleep(for: CLILimits.gitTimeout)
                return GitResult(status: GitResult.timedOut, errorText: "git took too long")
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? GitResult(status: GitResult.notFound)
        }
    }

    private static func execute(_ arguments: [String]) async -> GitResult {
        do {
            let result = try await Subprocess.run(
                .name("git"),
                arguments: Arguments(arguments),
                environment: .inherit.updating(["LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"]),
                output: .string(limit: CLILimits.gitOutputBytesMax),
                error: .string(limit: CLILimits.gitOutputBytesMax))
            let output = result.standardOutput
            let errorText = result.standardError
            switch result.terminationStatus {
            case .exited(let code): return GitResult(status: code, output: output, errorText: errorText)
            case .signaled(let signal): return GitResult(status: 128 + signal, output: output, errorText: errorText)
            }
        } catch {
            return GitResult(status: GitResult.notFound, errorText: String(describing: error))
        }
    }
}
