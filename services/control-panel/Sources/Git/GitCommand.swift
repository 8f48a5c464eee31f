// SPDX-License-Identifier: Apache-2.0
import Subprocess

/// Runs Git for a short question or a small task.
struct GitCommand: Sendable {
    struct Output: Sendable {
        var status: Int32
        var output: [UInt8]
        /// The last of what Git said about it.
        var message: String

        var isSuccess: Bool { status == 0 }
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    enum Surroundings: Sendable {
        /// Nothing of this process's environment, and no configuration of machine or user.
        case clean
        /// Those of a hook, which hold where Git keeps the objects that are being pushed.
        case inherited
    }

    struct Failure: Error, Sendable, CustomStringConvertible {
        let description: String
    }

    var surroundings = Surroundings.clean

    private static let cleanEnvironment = [
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8",
    ]

    /// The environment of every Git process of the panel, and what one needs besides.
    static func environment(adding others: [String: String] = [:]) -> Environment {
        var all: [Environment.Key: String] = [:]
        for (name, value) in cleanEnvironment.merging(others, uniquingKeysWith: { $1 }) {
            if let key = Environment.Key(rawValue: name) { all[key] = value }
        }
        return .custom(all)
    }

    static var options: PlatformOptions {
        var options = PlatformOptions()
        // A group of its own, so that what Git starts ends with it.
        options.processGroupID = 0
        options.teardownSequence = [
            .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: .seconds(2))
        ]
        return options
    }

    /// - Throws: `Failure` when Git cannot be started, says too much or takes too long. An exit status other than 0
    ///   is a result.
    func run(
        _ arguments: [String], program: String = "git", outputMax: Int = PanelLimits.gitOutputBytesMax
    ) async throws -> Output {
        let environment =
            switch surroundings {
            case .clean: Self.environment()
            case .inherited: Environment.inherit
            }
        let slow = Failure(description: "\(program) took longer than \(PanelLimits.gitCommandMax)")
        do {
            return try await withDeadline(PanelLimits.gitCommandMax, orThrow: slow) {
                let result = try await Subprocess.run(
                    .name(program), arguments: Arguments(arguments), environment: environment,
                    platformOptions: Self.options, output: .bytes(limit: outputMax),
                    error: .string(limit: PanelLimits.gitMessageBytesMax))
                let status: Int32 =
                    switch result.terminationStatus {
                    case .exited(let code): code
                    case .signaled(let signal): 128 + signal
                    }
                return Output(
                    status: status, output: result.standardOutput,
                    message: String(result.standardError.suffix(PanelLimits.errorTailBytesMax)))
            }
        } catch let error as SubprocessError {
            throw Failure(description: "\(program) cannot be run: \(error)")
        }
    }
}
