// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Secrets
import Testing

@testable import ControlPanel

@Suite struct BuildIdentityTests {
    private let spec = BuildSpec(source: .runtime(language: "python", version: "3.11"), hook: "./build.sh")
    private let here = EnvironmentID("env_1")

    private func identity(
        tree: String = "t", spec: BuildSpec? = nil, _ variables: [String: Variable] = [:],
        in environment: EnvironmentID? = nil
    ) throws -> String {
        try BuildIdentity.of(
            tree: tree, spec: spec ?? self.spec, variables: variables, environment: environment ?? here)
    }

    @Test func equalInputHasEqualIdentityInEveryEnvironment() throws {
        let plain = ["A": Variable(value: .plain("x"), visibleInBuild: true, revision: 1)]
        let later = ["A": Variable(value: .plain("x"), visibleInBuild: true, revision: 9)]
        #expect(try identity(plain) == identity(later, in: EnvironmentID("env_2")))
        #expect(try identity().count == 64)
    }

    @Test func whatBuildsDoNotSeeDoesNotMatter() throws {
        let hidden = ["A": Variable(value: .plain("x"), visibleInBuild: false, revision: 1)]
        #expect(try identity() == identity(hidden))
    }

    @Test func treeSpecAndVisibleVariablesMatter() throws {
        let plain = ["A": Variable(value: .plain("x"), visibleInBuild: true, revision: 1)]
        let other = BuildSpec(source: .dockerfile("Dockerfile"))
        let all = try [identity(), identity(tree: "u"), identity(spec: other), identity(plain)]
        #expect(Set(all).count == all.count)
    }

    @Test func aSecretsRevisionMattersAndIsNotSharedBetweenEnvironments() throws {
        let key = PrivateSealingKey().publicKey
        func secret(_ revision: Int) throws -> [String: Variable] {
            let sealed = try Sealed("x", to: key, context: "c")
            return ["A": Variable(value: .sealed(sealed), visibleInBuild: true, revision: revision)]
        }
        #expect(try identity(secret(1)) == identity(secret(1)))
        #expect(try identity(secret(1)) != identity(secret(2)))
        #expect(try identity(secret(1)) != identity(secret(1), in: EnvironmentID("env_2")))
    }
}

@Suite struct LogBudgetTests {
    @Test func linesWithinTheLimitAreWritten() {
        #expect(LogBudget.admitted(["a", "b"], written: 3, dropped: 0, max: 10) == ["a", "b"])
    }

    @Test func lostLinesAreMentioned() {
        #expect(LogBudget.admitted(["a"], written: 0, dropped: 7, max: 10).first?.contains("7 lines were lost") == true)
    }

    @Test func aFullLogSaysSoOnceAndThenNothing() {
        let lines = LogBudget.admitted(["a", "b", "c"], written: 8, dropped: 0, max: 10)
        #expect(lines.count == 2)
        #expect(lines.first == "a")
        #expect(lines.last?.contains("the log is full") == true)
        #expect(LogBudget.admitted(["d"], written: 10, dropped: 0, max: 10).isEmpty)
    }

    @Test func linesAreMadeFitForTheDatabase() {
        #expect(LogBudget.clean("a\0b\r\n") == "a\u{fffd}b")
        #expect(LogBudget.clean(String(repeating: "x", count: 100_000)).utf8.count < 17_000)
    }
}

@Suite struct PushNarrationTests {
    private func line(_ stage: String, _ text: String) -> LogLine {
        LogLine(sequence: 1, at: Timestamp(microseconds: 0), stage: stage, text: text)
    }

    @Test func eachStageHasOneHeading() {
        var narration = PushNarration()
        let first = narration.tell([line("build", "one"), line("build", "two"), line("release", "three")])
        #expect(first == "==> build\n    one\n    two\n==> release\n    three\n")
        #expect(narration.tell([line("release", "four")]) == "    four\n")
    }

    @Test func whatMovesTheCursorIsTakenOut() {
        var narration = PushNarration()
        #expect(narration.tell([line("build", "50 %\r100 %\u{8}\u{1b}[32mok")]).contains("50 %100 %\u{1b}[32mok"))
    }

    @Test func aBranchWithoutEnvironmentIsToldHowToGetOne() {
        let text = PushNarration.withoutEnvironment(branch: "feature/New_UI", app: "acme/shop")
        #expect(text.contains("slipway environments create feature-new-ui --branch feature/New_UI --app acme/shop"))
    }
}

@Suite struct ServerSentEventTests {
    @Test func anEventEndsWithAnEmptyLine() {
        #expect(ServerSentEvent(name: "line", id: "7", data: "{}").text == "event: line\nid: 7\ndata: {}\n\n")
        #expect(ServerSentEvent(name: "end", id: nil, data: "{}").text == "event: end\ndata: {}\n\n")
    }
}

@Suite struct DeploymentOrderTests {
    private func order(_ text: String) throws -> Deployments.Order {
        var fields = try JSONFields(body: Array(text.utf8))
        let order = DeploymentRoutes.order(&fields)
        try fields.finish()
        return order
    }

    @Test func ordersAreRead() throws {
        #expect(try order("{}") == .commit(nil))
        #expect(try order("") == .commit(nil))
        #expect(try order(#"{"commit": "4c1d9e2b"}"#) == .commit("4c1d9e2b"))
        #expect(try order(#"{"kind": "redeploy"}"#) == .redeploy)
        #expect(try order(#"{"kind": "rollback"}"#) == .rollback(nil))
        #expect(try order(#"{"kind": "rollback", "to": 3}"#) == .rollback(.number(3)))
        #expect(try order(#"{"kind": "rollback", "to": "3"}"#) == .rollback(.number(3)))
        #expect(try order(#"{"kind": "rollback", "to": "dpl_1"}"#) == .rollback(.id(DeploymentID("dpl_1"))))
    }

    @Test(arguments: [
        #"{"kind": "push"}"#, #"{"commit": "main"}"#, #"{"kind": "redeploy", "commit": "4c1d9e2b"}"#,
        #"{"kind": "redeploy", "to": 3}"#, #"{"kind": "rollback", "to": {}}"#, #"{"to": 99999999999999}"#,
    ])
    func otherOrdersAreRefused(text: String) {
        #expect(throws: Problem.self) { try order(text) }
    }
}
