// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Deploy again, and follow it to its end.",
        discussion: """
            Deploys the commit that is live, with the variables of now; an image that was built before is reused. \
            With --commit, another commit that was pushed. New commits are deployed by pushing them.

            The exit status is 1 when the deployment does not succeed.
            """)

    @Option(help: ArgumentHelp("Deploy this pushed commit.", valueName: "hash"))
    var commit: String?

    @OptionGroup var watch: WatchOptions
    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let commit {
            guard (7...64).contains(commit.count), commit.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
                throw ValidationError("--commit is \"\(commit)\": expected 7 to 64 hexadecimal digits.")
            }
        }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let body = commit.map { NewDeployment(commit: $0) } ?? NewDeployment(kind: "redeploy")
        let answer = try await session.client.post(
            RequestPath.environment(reference).appending("deployments"), body)
        try await DeploymentWatch(session: session, environment: reference).finish(
            answer, isDetached: watch.detach, asJSON: output.json)
    }
}

struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Make an earlier release current again; nothing is built.",
        discussion: "Image, configuration and variables are those of that release. See \"slipway deployments\".")

    @Option(help: ArgumentHelp("The release. Default: the one before the current.", valueName: "number|id"))
    var to: String?

    /// Taken only to say where it belongs: what is made live is not to be guessed.
    @Argument(help: .hidden)
    var release: String?

    @OptionGroup var watch: WatchOptions
    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let release {
            throw ValidationError("The release is named by --to: slipway rollback --to \(release)")
        }
        if let to, ReleaseReference(to) == nil {
            throw ValidationError("--to is \"\(to)\": expected \(ReleaseReference.rule).")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let answer = try await session.client.post(
            RequestPath.environment(reference).appending("deployments"),
            NewDeployment(kind: "rollback", to: to.flatMap { ReleaseReference($0) }))
        let deployment = try answer.decode(Deployment.self)
        if let release = deployment.restores {
            let commit = [deployment.shortCommit, deployment.message].compactMap { $0 }.joined(separator: " ")
            let words = "Going back to release #\(release)" + (commit.isEmpty ? "." : ", commit \(commit).")
            session.console.note(TerminalText.safe(words, keepsColour: false))
        }
        try await DeploymentWatch(session: session, environment: reference).finish(
            answer, isDetached: watch.detach, asJSON: output.json)
    }
}

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel a deployment that is queued or running.")

    @Argument(help: "The deployment's id. Default: the latest.")
    var deployment: String?

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let id = try await chosenDeployment(session, reference)
        let document = try await session.client.send(
            .post, RequestPath.deployment(id, of: reference).appending("cancel"))
        if output.json { session.console.json(document) }
        session.console.note("Cancelling \(id); what ran before goes on running.")
        session.console.next("slipway status \(reference.options)")
    }

    private func chosenDeployment(_ session: Session, _ reference: EnvironmentReference) async throws -> String {
        if let deployment { return deployment }
        let environment = try await session.client.get(.environment(reference)).decode(AppEnvironment.self)
        guard let latest = environment.latestDeployment, !latest.state.isFinal else {
            throw CLIError(
                "there is nothing to cancel: no deployment of \(reference) is queued or running",
                hint: "See: slipway deployments \(reference.options)")
        }
        return latest.id
    }
}
