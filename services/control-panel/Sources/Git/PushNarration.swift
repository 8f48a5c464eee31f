// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// A deployment told as text, as `git push` shows it: stages and lines in the form of `slipway logs`.
struct PushNarration: Sendable {
    private var stage: String?

    init() {}

    /// A heading for each stage, the lines of its log below it.
    mutating func tell(_ lines: [LogLine]) -> String {
        var text = ""
        for line in lines {
            if line.stage != stage {
                stage = line.stage
                text += "==> \(line.stage)\n"
            }
            text += "    \(Self.printable(line.text))\n"
        }
        return text
    }

    static func begin(_ answer: DeploymentAnswer, environment: String) -> String {
        let commit = "\(answer.commit.prefix(8)) \(printable(answer.message))"
        return "\nDeployment #\(answer.number) of \(environment), commit \(commit)\n"
    }

    /// The URL, or why there is none and what to do.
    static func end(_ answer: DeploymentAnswer) -> String {
        switch answer.state {
        case .succeeded:
            let duration = answer.finishedAt.map { $0.since(answer.createdAt).inSeconds } ?? 0
            let tenths = Int((duration * 10).rounded())
            let image = answer.imageWasReused ? ", image reused" : ""
            return "==> live in \(tenths / 10).\(tenths % 10) s\(image)\n    \(answer.url)\n\n"
        case .failed:
            return """
                ==> failed in stage \(answer.stage)
                \(indented(answer.reason ?? "no reason was given"))
                    What ran before goes on running. Fix it, commit and push again;
                    `slipway logs --build` shows this log again.


                """
        case .cancelled:
            return "==> cancelled\n    What ran before goes on running.\n\n"
        case .queued, .running:
            return ongoing("the log ends here")
        }
    }

    static func ongoing(_ why: String) -> String {
        "    \(why); the deployment goes on. `slipway status` tells what became of it.\n\n"
    }

    static func withoutEnvironment(branch: String, app: String) -> String {
        """

        The branch \(printable(branch)) was stored. No environment belongs to it, so nothing is deployed.
        To run it: slipway environments create \(suggestedName(branch)) --branch \(printable(branch)) --app \(app)


        """
    }

    static func refused(environment: String, reason: String) -> String {
        "\n==> \(environment) is not deployed\n\(indented(reason))\n\n"
    }

    static func deleted(branch: String, environment: String) -> String {
        """

        The branch \(printable(branch)) was deleted; its environment \(environment) goes on running.
        To remove it: slipway environments delete \(environment)


        """
    }

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + printable(String($0)) }
            .joined(separator: "\n")
    }

    /// An environment's name made from a branch's: `feature/New_UI` becomes `feature-new-ui`.
    private static func suggestedName(_ branch: String) -> String {
        let name = branch.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        let words = String(name).split(separator: "-").joined(separator: "-").prefix(Slug.lengthMax)
        return Slug.isValid(String(words)) ? String(words) : "NAME"
    }

    /// Without what moves the cursor: a log must not rewrite what is above it. Colours (ESC) stay.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter {
                    ($0.value >= 0x20 && $0.value != 0x7f) || $0.value == 0x09 || $0.value == 0x1b
                }))
    }
}
