// SPDX-License-Identifier: Apache-2.0
import EngineClient

/// Why there is no image, for the developer: what went wrong and what to do.
struct BuildFailure: Error, Sendable, Hashable, CustomStringConvertible {
    let reason: String
    var description: String { reason }

    init(_ reason: String) { self.reason = reason }

    static let diskFull = BuildFailure(
        "The builder's disk is full (no space left on device): its operator has to make room; then deploy again.")

    static func sourceTooLarge(limit: Int) -> BuildFailure {
        BuildFailure("The repository's files are larger than \(limit >> 20) MB: take large files out and push again.")
    }

    static func timedOut(after limit: Duration) -> BuildFailure {
        let seconds = limit.components.seconds
        let text = seconds.isMultiple(of: 60) ? "\(seconds / 60) minutes" : "\(seconds) seconds"
        return BuildFailure("The build was stopped because it took longer than \(text): make it shorter.")
    }

    static let abandoned = BuildFailure(
        "The builder was lost \(BuilderLimits.attemptsMax) times during this build: the build may need more memory or "
            + "disk than the builder has.")

    static func fetching(_ trouble: GitTrouble, complaint: String) -> BuildFailure {
        switch trouble {
        case .diskFull: diskFull
        case .transient:
            BuildFailure(
                "The repository could not be reached within \(BuilderLimits.outageMax.components.seconds) seconds: "
                    + "deploy again once the panel is back. " + said(complaint))
        case .denied:
            BuildFailure("The repository did not accept this build's credentials, which are short-lived: deploy again.")
        case .missing: BuildFailure("The commit is not in the repository any more: push again. " + said(complaint))
        case .other: BuildFailure("Fetching the commit failed. " + said(complaint))
        }
    }

    static func preparing(_ trouble: GitTrouble, complaint: String) -> BuildFailure {
        trouble == .diskFull ? diskFull : BuildFailure("Preparing the commit's files failed. " + said(complaint))
    }

    /// - Parameters:
    ///   - runtimes: those that the builder has a base image of, in the same language.
    ///   - complaint: the engine's, about the image that it could not get.
    static func withoutBase(
        _ runtime: String, language: String, runtimes: [String], complaint: String
    ) -> BuildFailure {
        let advice =
            runtimes.isEmpty
            ? "It has none for \(language): ask its operator for one, or bring a Dockerfile."
            : "It has those of \(runtimes.joined(separator: ", ")): name one of them as build.runtime in slipway.yaml, "
                + "or ask its operator for another."
        return BuildFailure(
            "The builder has no base image of \(runtime), and none could be downloaded. \(advice)\n"
                + "The container engine said: " + LogText.cut(complaint, to: 500))
    }

    private static func said(_ complaint: String) -> String {
        let lines = complaint.split(separator: "\n").suffix(3).map(String.init)
        return "Git said: " + LogText.cut(lines.joined(separator: " / "), to: 500)
    }

    /// - Parameter ending: where the engine was and what it wrote last.
    static func ofEngine(_ error: EngineError, _ ending: (step: BuildStep?, tail: [String])) -> BuildFailure {
        if error.isDiskFull { return diskFull }
        if error.isRetriable {
            return BuildFailure(
                "The builder's container engine could not be reached for "
                    + "\(BuilderLimits.outageMax.components.seconds) seconds: its operator has to look at it; then "
                    + "deploy again.")
        }
        var text = ending.step.map { "The build failed at \($0): " } ?? "The build failed: "
        text += LogText.cut(error.message, to: 1_000)
        // 137 is SIGKILL, which in a build step is the kernel's answer to too much memory.
        if error.status == 137 {
            let memory = BuilderLimits.stepMemoryBytesMax >> 30
            text += "\nThe step was killed; a build step may use \(memory) GB of memory."
        }
        let room = BuilderLimits.reasonBytesMax - text.utf8.count
        let tail = LogText.tail(ending.tail.filter { $0 != error.message }, bytesMax: max(0, room))
        return BuildFailure(([text] + tail).joined(separator: "\n"))
    }
}
