// SPDX-License-Identifier: Apache-2.0
import Subprocess

/// Runs git: in a process group of its own, with bounded output, and stopped when its task is cancelled.
struct Git: Sendable {
    struct Output: Sendable {
        let isSuccess: Bool
        let text: String
        /// What git said on standard error.
        let complaint: String
    }

    func run(_ invocation: GitInvocation) async throws -> Output {
        var options = PlatformOptions()
        // git starts helpers for its transports: they are to end with it.
        options.processGroupID = 0
        options.teardownSequence = [
            .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: BuilderLimits.gitTeardownGrace)
        ]
        let variables = invocation.environment.map { (Subprocess.Environment.Key(stringLiteral: $0.key), $0.value) }
        do {
            let result = try await Subprocess.run(
                .name("git"), arguments: Arguments(invocation.arguments),
                environment: .custom(Dictionary(variables, uniquingKeysWith: { $1 })), platformOptions: options,
                output: .string(limit: BuilderLimits.gitOutputBytesMax),
                error: .string(limit: BuilderLimits.gitOutputBytesMax))
            try Task.checkCancellation()
            return Output(
                isSuccess: result.terminationStatus.isSuccess, text: result.standardOutput,
                complaint: result.standardError)
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            switch error.code {
            case .executableNotFound:
                throw BuildFailure("git is not installed on the builder: its operator has to install it.")
            case .outputLimitExceeded:
                throw GitOutputTooLarge()
            default:
                throw BuildFailure("git could not be run on the builder: \(error.code)")
            }
        }
    }
}

struct GitOutputTooLarge: Error {}
