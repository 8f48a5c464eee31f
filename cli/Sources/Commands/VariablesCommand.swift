// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct VariablesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Set, list and unset an environment's variables.",
        subcommands: [VariablesSet.self, VariablesList.self, VariablesUnset.self])
}

struct VariablesSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set variables and deploy, so that they take effect.",
        discussion: """
            A value of - is read from standard input and @PATH from a file, both without their last line ending, so \
            that secrets need not be arguments, which everyone on the machine can see:

              slipway env set --secret API_KEY=- < key.txt
              slipway env set --secret API_KEY=@key.txt

            All variables are set, or none.
            """)

    @Argument(help: ArgumentHelp("Name and value.", valueName: "NAME=value"))
    var assignments: [String]

    @Flag(help: "Seal the values: nobody can read them again, only apps can.")
    var secret = false

    @Flag(help: "Builds see them too.")
    var build = false

    @Flag(help: "Take a leading - or @ of a value as it is.")
    var literal = false

    @Flag(help: "Do not deploy now: they take effect with the next deployment.")
    var noDeploy = false

    @OptionGroup var watch: WatchOptions
    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        var seen: Set<String> = []
        var readers = 0
        for text in assignments {
            guard let assignment = VariableAssignment(text, isLiteral: literal) else {
                // The value may be a secret: it is not repeated.
                let name = text.prefix { $0 != "=" }
                throw ValidationError(
                    "\"\(name)\": expected NAME=value, the name made of \(VariableAssignment.nameRule).")
            }
            guard seen.insert(assignment.name).inserted else {
                throw ValidationError("\(assignment.name) is given twice.")
            }
            if assignment.source == .standardInput { readers += 1 }
        }
        if readers > 1 { throw ValidationError("Only one value can be read from standard input.") }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        var change = VariableChange()
        for assignment in assignments.compactMap({ VariableAssignment($0, isLiteral: literal) }) {
            change.set[assignment.name] = VariableChange.Value(
                value: try value(assignment, session.context), isSecret: secret, visibleInBuild: build)
        }
        try await VariablesChange(session: session, environment: reference).apply(
            change, summary: "Set \(change.set.keys.sorted().joined(separator: ", "))", deploys: !noDeploy,
            isDetached: watch.detach, asJSON: output.json)
    }

    private func value(_ assignment: VariableAssignment, _ context: CommandContext) throws -> String {
        switch assignment.source {
        case .literal(let value):
            if secret {
                context.console.note(
                    "\(assignment.name): the value was an argument, which others on this machine and your shell's "
                        + "history can see. Next time: \(assignment.name)=- or \(assignment.name)=@FILE")
            }
            return value
        case .standardInput:
            if context.console.isInputTerminal { return try context.input.secret("Value of \(assignment.name)") }
            let bytes = try context.input.everything(CLILimits.variableBytesMax)
            return try VariableAssignment.value(of: bytes, name: assignment.name)
        case .file(let path):
            let bytes: [UInt8]
            do throws(BoundedFile.Failure) {
                bytes = try BoundedFile.read(path: path, limit: CLILimits.variableBytesMax)
            } catch {
                throw CLIError(
                    "\(assignment.name): \(path): \(error)", hint: "For a value that begins with @, say --literal.")
            }
            return try VariableAssignment.value(of: bytes, name: assignment.name)
        }
    }
}

struct VariablesUnset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset", abstract: "Remove variables and deploy, so that it takes effect.")

    @Argument(help: ArgumentHelp("Names of the variables.", valueName: "NAME"))
    var names: [String]

    @Flag(help: "Do not deploy now: it takes effect with the next deployment.")
    var noDeploy = false

    @OptionGroup var watch: WatchOptions
    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for name in names where !VariableAssignment.isName(name) {
            throw ValidationError("\"\(name)\": a name is made of \(VariableAssignment.nameRule).")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        try await VariablesChange(session: session, environment: reference).apply(
            VariableChange(unset: names), summary: "Removed \(names.joined(separator: ", "))", deploys: !noDeploy,
            isDetached: watch.detach, asJSON: output.json)
    }
}

struct VariablesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List an environment's variables; secret values are never shown.")

    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let reference = try await session.environment(environment)
        let document = try await session.client.get(RequestPath.environment(reference).appending("variables"))
        if output.json { return session.console.json(document) }
        let variables = try document.decode([Variable].self)
        guard !variables.isEmpty else {
            session.console.note("\(reference) has no variables.")
            return session.console.next("slipway env set NAME=value \(reference.options)")
        }
        let now = session.context.now()
        var table = Table("NAME", "VALUE", "IN BUILDS", "UPDATED")
        for variable in variables {
            table.add(
                .init(variable.name, .bold),
                variable.isSecret ? .init("(secret)", .dim) : .init(variable.value),
                .init(variable.visibleInBuild == true ? "yes" : "no"),
                .init(TimeText.age(of: variable.updatedAt, now: now)))
        }
        session.console.data(table.rendered(session.console.outputStyle))
    }
}

/// One change of variables and, if it asks for one, the deployment that makes it take effect.
struct VariablesChange: Sendable {
    let session: Session
    let environment: EnvironmentReference

    func apply(
        _ change: VariableChange, summary: String, deploys: Bool, isDetached: Bool, asJSON: Bool
    ) async throws {
        let document = try await session.client.patch(
            RequestPath.environment(environment).appending("variables"),
            query: [QueryItem("deploy", deploys ? "true" : "false")], change)
        let console = session.console
        if asJSON { console.json(document) }
        console.note("\(summary) in \(environment).")
        guard deploys else {
            console.next("slipway deploy \(environment.options)   (makes it take effect)")
            return
        }
        guard let deployment = startedDeployment(document) else {
            console.note("Nothing is deployed for it; it takes effect with the next deployment.")
            console.next("slipway status \(environment.options)")
            return
        }
        if isDetached {
            console.next("slipway logs --deployment \(deployment.id) -f \(environment.options)")
        } else {
            // With --json the change's answer is the data; the deployment is progress.
            try await DeploymentWatch(session: session, environment: environment)
                .follow(deployment, data: asJSON ? .nothing : .url)
        }
    }

    /// An environment without a release has nothing to deploy, and the answer then names no deployment.
    private func startedDeployment(_ document: Document) -> Deployment? {
        (try? document.decode(VariableChangeResult.self))?.deployment
    }
}
