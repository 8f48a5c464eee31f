// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show what the app's instances, or a deployment, wrote.",
        discussion: "With --json and -f, each message is one line of JSON as the panel sends it.")

    @Flag(name: [.customShort("f"), .long], help: "Go on as lines come in.")
    var follow = false

    @Option(name: [.customShort("n"), .long], help: "How many lines to begin with.")
    var lines = 100

    @Flag(help: "The latest deployment's log: build, release hook, rollout.")
    var build = false

    @Option(help: ArgumentHelp("This deployment's log.", valueName: "id"))
    var deployment: String?

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0...CLILimits.logLinesMax).contains(lines) else {
            throw ValidationError("--lines is \(lines): expected 0 to \(CLILimits.logLinesMax).")
        }
        if build, deployment != nil { throw ValidationError("Give --build or --deployment, not both.") }
        if let deployment, deployment.isEmpty { throw ValidationError("--deployment is empty.") }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        if let id = try await wantedDeployment(session, reference) {
            let deployment = RequestPath.deployment(id, of: reference)
            if follow {
                try await followDeployment(session, deployment.appending("log"))
            } else {
                try await showDeployment(session, deployment)
            }
        } else {
            let log = RequestPath.environment(reference).appending("logs")
            if follow { try await followApp(session, log) } else { try await showApp(session, log) }
        }
    }

    private func wantedDeployment(_ session: Session, _ reference: EnvironmentReference) async throws -> String? {
        if let deployment { return deployment }
        guard build else { return nil }
        let status = try await session.client.get(.environment(reference)).decode(AppEnvironment.self)
        guard let latest = status.latestDeployment else {
            throw CLIError("\(reference) was never deployed", hint: "Deploy it: git push \(GitRemote.name) HEAD:main")
        }
        return latest.id
    }

    private func showDeployment(_ session: Session, _ path: RequestPath) async throws {
        let document = try await session.client.get(path.appending("log"))
        if output.json { return session.console.json(document) }
        let writer = LogWriter(console: session.console, channel: .output)
        var log = DeploymentLog()
        for line in try document.decode([DeploymentLogLine].self) {
            for text in log.add(line) { writer.write(text) }
        }
        let deployment = try await session.client.get(path).decode(Deployment.self)
        tellEnd(of: deployment.state, reason: deployment.reason, session)
    }

    private func tellEnd(of state: DeploymentState, reason: String?, _ session: Session) {
        session.console.note("The deployment \(state.rawValue)" + (reason.map { ": \($0)" } ?? "."))
    }

    private func followDeployment(_ session: Session, _ path: RequestPath) async throws {
        let writer = LogWriter(console: session.console, channel: .output)
        var log = DeploymentLog()
        try await session.client.follow(EventStreamRequest(path: path)) { event in
            let texts = try log.receive(event)
            if output.json { session.console.data(event.data) } else { for text in texts { writer.write(text) } }
            return log.end == nil ? .proceed : .stop
        }
        if let end = log.end, !output.json { tellEnd(of: end.state, reason: end.reason, session) }
    }

    private func showApp(_ session: Session, _ path: RequestPath) async throws {
        let document = try await session.client.get(
            path, query: [QueryItem("follow", "false"), QueryItem("lines", "\(lines)")])
        if output.json { return session.console.json(document) }
        let writer = LogWriter(console: session.console, channel: .output)
        for line in try document.decode([AppLogLine].self) { writer.write(AppLogText.line(line)) }
    }

    private func followApp(_ session: Session, _ path: RequestPath) async throws {
        let writer = LogWriter(console: session.console, channel: .output)
        // What was printed before the connection broke is not printed again.
        let stream = EventStreamRequest(
            path: path, query: [QueryItem("follow", "true"), QueryItem("lines", "\(lines)")],
            resumingQuery: [QueryItem("follow", "true"), QueryItem("lines", "0")])
        try await session.client.follow(stream) { event in
            guard event.name == "line" else { return .proceed }
            if output.json {
                session.console.data(event.data)
            } else {
                let line = try Document(bytes: Array(event.data.utf8)).decode(AppLogLine.self)
                writer.write(AppLogText.line(line))
            }
            return .proceed
        }
    }
}

enum AppLogText {
    /// Time of day with milliseconds, the end of the instance's id, text.
    static func line(_ line: AppLogLine) -> String {
        let time = line.at.map { String($0.rfc3339.dropFirst(11).prefix(12)) }
        let instance = line.instance.map { String($0.suffix(6)) }
        return [time, instance, line.text].compactMap { $0 }.joined(separator: "  ")
    }
}
