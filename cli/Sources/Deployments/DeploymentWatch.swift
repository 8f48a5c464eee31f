// SPDX-License-Identifier: Apache-2.0

/// Stays with a deployment until it ends, whichever command started it.
struct DeploymentWatch: Sendable {
    let session: Session
    let environment: EnvironmentReference

    private var console: Console { session.console }

    /// Reports what was started, follows it unless told not to, and ends as it ends.
    ///
    /// - Parameter answer: the panel's answer that created the deployment.
    /// - Throws: `CLIError` with exit code 1 when the deployment does not succeed.
    func finish(_ answer: Document, isDetached: Bool, asJSON: Bool) async throws {
        let deployment = try answer.decode(Deployment.self)
        if isDetached {
            if asJSON { console.json(answer) } else { console.data(deployment.id) }
            console.note("Deployment #\(deployment.number) of \(environment) is \(deployment.state.rawValue).")
            console.next(
                "slipway logs --deployment \(deployment.id) -f \(environment.options)",
                "slipway status \(environment.options)")
            return
        }
        try await follow(deployment, data: asJSON ? .outcome : .url)
    }

    /// What of a deployment that succeeded goes to standard output.
    enum Output: Sendable {
        case url
        /// The deployment as the panel has it, in JSON; also when it fails.
        case outcome
        /// The command has another answer.
        case nothing
    }

    func follow(_ deployment: Deployment, data: Output) async throws {
        console.note("Deployment #\(deployment.number) of \(environment). Ctrl-C stops watching, not the deployment.")
        let path = RequestPath.deployment(deployment.id, of: environment)
        var log = DeploymentLog()
        let writer = LogWriter(console: console, channel: .error)
        do {
            try await session.client.follow(EventStreamRequest(path: path.appending("log"))) { event in
                for line in try log.receive(event) { writer.write(line) }
                return log.end == nil ? .proceed : .stop
            }
        } catch let error as CLIError {
            console.note("The log is not available (\(error.message)); asking for the outcome.")
        }
        let document = try await session.client.get(path)
        let outcome = try document.decode(Deployment.self)
        if data == .outcome { console.json(document) }
        // The log's last message is the outcome; the record may be a moment behind it.
        let state = log.end?.state ?? outcome.state
        let reason = log.end?.reason ?? outcome.reason
        let url = log.end?.url ?? outcome.url
        if state == .succeeded {
            succeeded(outcome, url: data == .url ? url : nil)
        } else {
            throw failure(outcome, state: state, stage: outcome.stage ?? log.lastStage, reason: reason)
        }
    }

    private func succeeded(_ deployment: Deployment, url: String?) {
        let time = deployment.duration.map { " in \(TimeText.length($0))" } ?? ""
        let image = deployment.imageWasReused == true ? " The image was reused: nothing was built." : ""
        console.note(
            console.errorStyle.apply(.green, "Deployment #\(deployment.number) succeeded\(time).") + image)
        if let url { console.data(url) }
        console.next("slipway open \(environment.options)", "slipway logs -f \(environment.options)")
    }

    private func failure(_ deployment: Deployment, state: DeploymentState, stage: String?, reason: String?) -> CLIError
    {
        if !state.isFinal {
            return CLIError(
                "deployment #\(deployment.number) is still \(state.rawValue)",
                hint: "See how it goes on: slipway logs --deployment \(deployment.id) -f \(environment.options)")
        }
        let place = stage.map { " in stage \($0)" } ?? ""
        return CLIError(
            "deployment #\(deployment.number) \(state.rawValue)\(place)" + (reason.map { ": \($0)" } ?? ""),
            hint: "What ran before goes on running. "
                + "The log: slipway logs --deployment \(deployment.id) \(environment.options)")
    }
}
