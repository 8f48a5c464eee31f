// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Domain

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what is live and what is being deployed.")

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let document = try await session.client.get(.environment(reference))
        if output.json { return session.console.json(document) }
        let status = try document.decode(AppEnvironment.self)
        let fields = StatusReport.fields(status, of: reference, now: session.context.now())
        session.console.data(fields.rendered(session.console.outputStyle))
        if status.latestDeployment == nil {
            session.console.next("git push \(GitRemote.name) HEAD:\(status.branch ?? reference.name)")
        }
    }
}

enum StatusReport {
    static func fields(_ status: AppEnvironment, of reference: EnvironmentReference, now: Timestamp) -> Fields {
        var fields = Fields()
        fields.add("App", reference.app.description, .bold)
        fields.add("Environment", status.name + (status.branch.map { " (branch \($0))" } ?? ""))
        fields.add("URL", status.url)
        if let current = status.currentDeployment {
            fields.add("Release", describe(current, now: now))
        } else {
            fields.add("Release", "none yet", .dim)
        }
        if let instances = status.instances?.value { fields.add("Instances", describe(instances)) }
        if let latest = status.latestDeployment {
            let stage = latest.state.isFinal ? "" : latest.stage.map { ", stage \($0)" } ?? ""
            fields.add(
                "Latest deployment", "#\(latest.number) \(latest.state.rawValue)\(stage)", latest.state.style)
            if latest.id != status.currentDeployment?.id { fields.add("", commit(of: latest, now: now)) }
            if latest.state != .succeeded, let reason = latest.reason {
                for (index, line) in reason.split(whereSeparator: \.isNewline).enumerated() {
                    fields.add(index == 0 ? "Reason" : "", String(line), .red)
                }
            }
        }
        return fields
    }

    private static func describe(_ deployment: Deployment, now: Timestamp) -> String {
        "#\(deployment.number)  " + commit(of: deployment, now: now)
    }

    private static func commit(of deployment: Deployment, now: Timestamp) -> String {
        let parts = [
            deployment.shortCommit, deployment.message,
            TimeText.age(of: deployment.finishedAt ?? deployment.createdAt, now: now),
        ]
        return parts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    private static func describe(_ instances: [AppEnvironment.Instance]) -> String {
        var counts: [String: Int] = [:]
        for instance in instances { counts[instance.state ?? "unknown", default: 0] += 1 }
        if counts.isEmpty { return "none" }
        return counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}

struct DeploymentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deployments", abstract: "List an environment's deployments, the latest first.")

    @Option(name: [.customShort("n"), .long], help: "Show at most this many.")
    var limit = 20

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...CLILimits.deploymentsMax).contains(limit) else {
            throw ValidationError("--limit is \(limit): expected 1 to \(CLILimits.deploymentsMax).")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let document = try await session.client.get(
            RequestPath.environment(reference).appending("deployments"), query: [QueryItem("limit", "\(limit)")])
        if output.json { return session.console.json(document) }
        let deployments = try document.decode([Deployment].self).sorted { $0.number > $1.number }
        guard !deployments.isEmpty else {
            session.console.note("\(reference) was never deployed.")
            return session.console.next("git push \(GitRemote.name) HEAD:main")
        }
        let now = session.context.now()
        var table = Table("RELEASE", "STATE", "KIND", "COMMIT", "MESSAGE", "TOOK", "WHEN", "BY", "ID")
        for deployment in deployments.prefix(limit) {
            let isCurrent = deployment.isCurrent == true
            table.add(
                .init("#\(deployment.number)" + (isCurrent ? " *" : ""), isCurrent ? .bold : .plain),
                .init(deployment.state.rawValue, deployment.state.style),
                .init(deployment.restores.map { "rollback to #\($0)" } ?? deployment.kind),
                .init(deployment.shortCommit), .init(shortened(deployment.message)),
                .init(deployment.duration.map(TimeText.length)),
                .init(TimeText.age(of: deployment.createdAt, now: now)), .init(deployment.createdBy?.value),
                .init(deployment.id))
        }
        session.console.data(table.rendered(session.console.outputStyle))
        if deployments.contains(where: { $0.isCurrent == true }) { session.console.note("* is live.") }
    }

    private func shortened(_ message: String?) -> String? {
        guard let message, message.count > 50 else { return message }
        return String(message.prefix(49)) + "…"
    }
}

struct OpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open", abstract: "Print the URL, and open it in a browser where there is a desktop.")

    @Flag(help: "Print the URL only.")
    var print = false

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let document = try await session.client.get(.environment(reference))
        let status = try document.decode(AppEnvironment.self)
        if output.json { return session.console.json(document) }
        guard let url = status.url, !url.isEmpty else {
            throw CLIError("\(reference) has no URL yet", hint: "Deploy it first: git push \(GitRemote.name) HEAD:main")
        }
        session.console.data(url)
        let isWanted = !print && session.console.isOutputTerminal
        if isWanted, await !Browser.open(url, environment: session.context.environment) {
            session.console.note("There is no desktop to open it on.")
        }
    }
}
