// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import SlipwayCLI

struct ArgumentTests {
    private func parse<Command: ParsableCommand>(_ type: Command.Type, _ arguments: String...) async throws -> Command {
        let command = try await SlipwayCommand.asyncParseAsRoot(arguments)
        return try #require(command as? Command)
    }

    @Test(
        arguments: [
            "login", "login --url https://panel.test --token-file t --json", "logout", "whoami --json", "org list",
            "org create acme", "app create shop", "app create acme/shop --remote", "app create shop -o acme",
            "app list",
            "app info --app acme/shop", "app remote acme/shop", "app delete acme/shop --yes", "deploy",
            "deploy --commit abc1234 --detach", "status -a acme/shop -e staging", "logs -f --lines 5", "logs --build",
            "logs --deployment dpl_1 -f", "deployments -n 3", "env list", "env set A=b C=", "env unset A B --no-deploy",
            "env set --secret --build A=-", "rollback", "rollback --to 12", "rollback --to dpl_1", "cancel",
            "cancel dpl_1", "open --print", "environments list", "environments create staging --branch next",
            "environments delete staging --yes", "tokens list", "tokens create ci --expires-in 30",
            "tokens revoke tok_1", "git-credential get",
        ])
    func everyCommandIsUnderstood(line: String) async throws {
        _ = try await SlipwayCommand.asyncParseAsRoot(line.split(separator: " ").map { String($0) })
    }

    @Test(
        arguments: [
            "nonsense", "login --url panel.test", "org create Acme", "app create", "app create acme/shop -o acme",
            "app create a/b/c", "app delete shop", "status --app shop", "status -e Main", "deploy --commit xyz!",
            "logs --lines -1", "logs --lines 99999999", "logs --build --deployment dpl_1", "deployments -n 0",
            "env set",
            "env set A", "env set 1A=b", "env set A=1 A=2", "env set A=- B=-", "env unset A=b", "rollback --to 0",
            "rollback --to a/b", "rollback 1", "events nonsense", "nonsense --app acme/shop", "environments create",
            "tokens create ci --expires-in 0", "git-credential",
        ])
    func nonsenseIsAUsageError(line: String) async {
        let surroundings = FakeSurroundings()
        let status = await CommandContext.$current.withValue(surroundings.context(folder: "/nowhere")) {
            await SlipwayTool.run(line.split(separator: " ").map { String($0) })
        }
        #expect(status == 64)
        #expect(surroundings.transport.requests.isEmpty)
        #expect(surroundings.errorOutput.hasPrefix("slipway: "))
    }

    @Test(arguments: [
        (["nonsense", "--app", "acme/shop"], "slipway: there is no command \"slipway nonsense\"", "slipway --help"),
        (
            ["events", "dead-letters", "nonsense", "-n", "3"],
            "slipway: there is no command \"slipway events dead-letters nonsense\"",
            "slipway events dead-letters --help"
        ),
        (["rollback", "1"], "slipway: The release is named by --to: slipway rollback --to 1", ""),
    ])
    func whatIsWrongIsNamed(arguments: [String], message: String, hint: String) async {
        let surroundings = FakeSurroundings()
        _ = await CommandContext.$current.withValue(surroundings.context(folder: "/nowhere")) {
            await SlipwayTool.run(arguments)
        }
        #expect(surroundings.errorOutput.hasPrefix(message + "\n"))
        #expect(hint.isEmpty || surroundings.errorOutput.contains(hint))
    }

    @Test func everyCommandHasANameOfItsOwn() {
        func check(_ command: any ParsableCommand.Type) {
            #expect(command.configuration.commandName != nil, "\(command)")
            for next in command.configuration.subcommands { check(next) }
        }
        check(SlipwayCommand.self)
    }

    @Test func optionsReachTheirCommand() async throws {
        let logs = try await parse(LogsCommand.self, "logs", "-f", "-n", "7", "-a", "acme/shop", "-e", "staging")
        #expect(logs.follow)
        #expect(logs.lines == 7)
        #expect(logs.environment.app == "acme/shop")
        #expect(logs.environment.environment == "staging")
        let status = try await parse(StatusCommand.self, "status")
        #expect(status.environment.environment == "main")
        #expect(!status.output.json)
    }

    @Test func aSecretIsNotRepeatedInAnError() async throws {
        let surroundings = FakeSurroundings()
        _ = try await surroundings.run("env", "set", "1BAD=hunter2")
        #expect(!surroundings.errorOutput.contains("hunter2"))
    }
}

struct VariableAssignmentTests {
    @Test func theValueTellsWhereItIsRead() {
        #expect(VariableAssignment("A=b=c", isLiteral: false)?.source == .literal("b=c"))
        #expect(VariableAssignment("A=", isLiteral: false)?.source == .literal(""))
        #expect(VariableAssignment("A=-", isLiteral: false)?.source == .standardInput)
        #expect(VariableAssignment("A=@key.txt", isLiteral: false)?.source == .file("key.txt"))
        #expect(VariableAssignment("A=@key.txt", isLiteral: true)?.source == .literal("@key.txt"))
        #expect(VariableAssignment("A=-", isLiteral: true)?.source == .literal("-"))
        #expect(VariableAssignment("=b", isLiteral: false) == nil)
        #expect(VariableAssignment("A-B=c", isLiteral: false) == nil)
    }

    @Test(arguments: [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a\r", "a\r"), ("", "")])
    func oneLineEndingIsNotPartOfTheValue(text: String, expected: String) throws {
        #expect(try VariableAssignment.value(of: Array(text.utf8), name: "A") == expected)
    }

    @Test func aValueThatIsNotUTF8IsRefused() {
        #expect(throws: CLIError.self) { try VariableAssignment.value(of: [0xff, 0xfe], name: "A") }
    }
}

struct ReleaseReferenceTests {
    @Test func numbersAndIDsAreToldApart() {
        #expect(ReleaseReference("12") == .number(12))
        #expect(ReleaseReference("#12") == .number(12))
        #expect(ReleaseReference("dpl_01h") == .id("dpl_01h"))
        #expect(ReleaseReference("") == nil)
        #expect(ReleaseReference("-1") == nil)
        #expect(ReleaseReference("a b") == nil)
    }
}
