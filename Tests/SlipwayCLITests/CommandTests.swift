// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

/// Whole commands against a scripted panel.
struct CommandTests {
    private let user =
        #"{"id":"usr_1","email":"ada@acme.test","name":"Ada","organisations":[{"name":"acme","role":"owner"}]}"#
    private let running = #"{"id":"dpl_1","number":3,"kind":"redeploy","state":"running","stage":"build"}"#

    private func finished(_ state: String, reason: String = "null") -> String {
        #"""
        {"id":"dpl_1","number":3,"kind":"redeploy","state":"\#(state)","stage":"release","reason":\#(reason),
         "url":"http://shop.test","startedAt":"2023-11-14T22:13:00Z","finishedAt":"2023-11-14T22:13:02.500Z"}
        """#
    }

    private func log(_ state: String, reason: String = "null") -> String {
        """
        event: line
        id: 1
        data: {"sequence":1,"at":"2023-11-14T22:13:00Z","stage":"build","text":"Step 1"}

        event: line
        id: 2
        data: {"sequence":2,"at":"2023-11-14T22:13:01Z","stage":"release","text":"migrated"}

        event: end
        data: {"state":"\(state)","reason":\(reason),"url":"http://shop.test"}


        """
    }

    @Test func loginIsRememberedOnceThePanelKnowsTheToken() async throws {
        let surroundings = FakeSurroundings([.json(user)])
        try await withTemporaryFolder { folder in
            let context = surroundings.context(
                folder: folder, input: "slp_typed\n", overrides: ["SLIPWAY_TOKEN": "", "SLIPWAY_URL": ""])
            let status = await CommandContext.$current.withValue(context) {
                await SlipwayTool.run(["login", "--url", "http://panel.test:8080/"])
            }
            #expect(status == 0)
            let stored = try LoginFile(environment: ["XDG_CONFIG_HOME": folder]).read()
            #expect(stored == StoredLogin(url: "http://panel.test:8080", token: "slp_typed"))
        }
        #expect(surroundings.errorOutput.contains("ada@acme.test"))
        #expect(!surroundings.errorOutput.contains("slp_typed"))
    }

    @Test func aTokenThePanelRefusesIsNotRemembered() async throws {
        let surroundings = FakeSurroundings([.json(#"{"title":"Unauthorized"}"#, status: 401)])
        try await withTemporaryFolder { folder in
            let status = await CommandContext.$current.withValue(surroundings.context(folder: folder)) {
                await SlipwayTool.run(["login"])
            }
            #expect(status == 1)
            let stored = try LoginFile(environment: ["XDG_CONFIG_HOME": folder]).read()
            #expect(stored == nil)
        }
    }

    @Test func aDeploymentIsFollowedAndItsURLIsTheOnlyData() async throws {
        let surroundings = FakeSurroundings([
            .json(running, status: 202), .events(log("succeeded")), .json(finished("succeeded")),
        ])
        #expect(try await surroundings.run("deploy") == 0)
        #expect(surroundings.output == "http://shop.test\n")
        #expect(surroundings.errorOutput.contains("==> release\n    migrated\n"))
        #expect(surroundings.errorOutput.contains("Deployment #3 succeeded in 2.5 s."))
        let post = try #require(surroundings.transport.requests.first)
        #expect(post.url == "http://panel.test:8080/v1/apps/acme/shop/environments/main/deployments")
        #expect(post.body == Array(#"{"kind":"redeploy"}"#.utf8))
    }

    @Test func aFailedDeploymentFailsTheCommandWithItsReason() async throws {
        let reason = #""the release hook exited with 1""#
        let surroundings = FakeSurroundings([
            .json(running, status: 202), .events(log("failed", reason: reason)),
            .json(finished("failed", reason: reason)),
        ])
        #expect(try await surroundings.run("deploy") == 1)
        #expect(surroundings.output.isEmpty)
        #expect(
            surroundings.errorOutput.contains(
                "slipway: deployment #3 failed in stage release: the release hook exited with 1"))
    }

    @Test func aLogThatIsNotAvailableDoesNotHideTheOutcome() async throws {
        let surroundings = FakeSurroundings([
            .json(running, status: 202), .json(#"{"title":"Gone"}"#, status: 410), .json(finished("succeeded")),
        ])
        #expect(try await surroundings.run("deploy") == 0)
        #expect(surroundings.output == "http://shop.test\n")
    }

    @Test func aDetachedDeploymentPrintsItsID() async throws {
        let surroundings = FakeSurroundings([.json(running, status: 202)])
        #expect(try await surroundings.run("deploy", "--detach") == 0)
        #expect(surroundings.output == "dpl_1\n")
    }

    @Test(arguments: [("3", #"{"kind":"rollback","to":3}"#), ("dpl_9", #"{"kind":"rollback","to":"dpl_9"}"#)])
    func aRollbackNamesItsRelease(to: String, body: String) async throws {
        let surroundings = FakeSurroundings([.json(running, status: 202)])
        #expect(try await surroundings.run("rollback", "--to", to, "--detach") == 0)
        #expect(surroundings.transport.requests.first?.body == Array(body.utf8))
    }

    @Test func aRollbackSaysWhereItGoes() async throws {
        let deployment =
            #"{"id":"dpl_9","number":9,"kind":"rollback","restores":4,"state":"queued","commit":"0123456789","#
            + #""message":"Sell hats"}"#
        let rollback = FakeSurroundings([.json(deployment, status: 202)])
        #expect(try await rollback.run("rollback", "--detach") == 0)
        #expect(rollback.errorOutput.hasPrefix("Going back to release #4, commit 01234567 Sell hats.\n"))
        let list = FakeSurroundings([.json("[\(deployment)]")])
        #expect(try await list.run("deployments") == 0)
        #expect(list.output.contains("  rollback to #4  "))
    }

    @Test(arguments: [
        ("deployment dpl_7 of main", "/deployments/dpl_7", "slipway deployments --app acme/shop --environment staging"),
        ("environment staging of acme/shop", "/deployments/dpl_7", "slipway environments list --app acme/shop"),
        ("such variable in staging", "/variables/A", "slipway env list --app acme/shop --environment staging"),
        ("app acme/shop", "/variables", "slipway app list"),
    ])
    func whatIsNotFoundLeadsToItsList(what: String, path: String, command: String) throws {
        let body =
            #"{"title":"Not found","detail":"there is no \#(what), or you may not see it","#
            + #""instance":"/v1/apps/acme/shop/environments/staging\#(path)"}"#
        let panel = try #require(PanelAddress("http://panel.test"))
        let error = CLIError(WireResponse(status: 404, body: Array(body.utf8)), from: panel)
        #expect(error.hint == "See what there is: \(command)")
    }

    @Test func jsonIsThePanelsAnswerIndented() async throws {
        let surroundings = FakeSurroundings([.json(#"[{"name":"acme","role":"owner","extra":1.0}]"#)])
        #expect(try await surroundings.run("org", "list", "--json") == 0)
        #expect(
            surroundings.output == """
                [
                  {
                    "name": "acme",
                    "role": "owner",
                    "extra": 1.0
                  }
                ]

                """)
    }

    @Test func variablesAreSetTogetherFromStandardInputAndArguments() async throws {
        let surroundings = FakeSurroundings([.json("[]")])
        let status = try await surroundings.run(
            "env", "set", "--secret", "--no-deploy", "KEY=-", "OTHER=x", input: "hunter2\n")
        #expect(status == 0)
        let request = try #require(surroundings.transport.requests.first)
        #expect(request.method == .patch)
        #expect(
            request.url == "http://panel.test:8080/v1/apps/acme/shop/environments/main/variables?deploy=false")
        #expect(
            String(decoding: request.body ?? [], as: UTF8.self)
                == #"{"set":{"KEY":{"isSecret":true,"value":"hunter2","visibleInBuild":false},"#
                + #""OTHER":{"isSecret":true,"value":"x","visibleInBuild":false}},"unset":[]}"#)
        #expect(!surroundings.errorOutput.contains("hunter2"))
        #expect(surroundings.errorOutput.contains("OTHER: the value was an argument"))
    }

    @Test func secretsAreListedWithoutTheirValue() async throws {
        let surroundings = FakeSurroundings([
            .json(
                #"[{"name":"A","value":null,"isSecret":true,"visibleInBuild":false,"#
                    + #""updatedAt":"2023-11-14T22:13:00Z"},"#
                    + #"{"name":"B","value":"b","isSecret":false,"visibleInBuild":true}]"#)
        ])
        #expect(try await surroundings.run("env", "list") == 0)
        #expect(
            surroundings.output == """
                NAME  VALUE     IN BUILDS  UPDATED
                A     (secret)  no         20 s ago
                B     b         yes        -

                """)
    }

    @Test func statusShowsWhatIsLiveAndWhatFailed() async throws {
        let current = finished("succeeded").replacing(#""number":3"#, with: #""number":2"#)
            .replacing("dpl_1", with: "dpl_0")
        let failed = finished("failed", reason: #""no health""#)
        let environment =
            #"{"id":"env_1","name":"main","branch":"main","url":"http://shop.test","currentDeployment":"#
            + current + #","latestDeployment":"# + failed + #","instances":[{"state":"ready"},{"state":"ready"}]}"#
        let surroundings = FakeSurroundings([.json(environment)])
        #expect(try await surroundings.run("status") == 0)
        #expect(surroundings.output.contains("Release            #2"))
        #expect(surroundings.output.contains("Latest deployment  #3 failed"))
        #expect(surroundings.output.contains("Reason             no health"))
        #expect(surroundings.output.contains("Instances          2 ready"))
    }

    @Test func instancesInAFormThatIsNotKnownAreLeftOut() async throws {
        let surroundings = FakeSurroundings([.json(#"{"id":"env_1","name":"main","instances":2}"#)])
        #expect(try await surroundings.run("status") == 0)
        #expect(!surroundings.output.contains("Instances"))
    }

    @Test func deletingWithoutATerminalNeedsYes() async throws {
        let refused = FakeSurroundings()
        #expect(try await refused.run("app", "delete", "acme/shop") == 64)
        #expect(refused.transport.requests.isEmpty)
        let agreed = FakeSurroundings([.json("", status: 204)])
        #expect(try await agreed.run("app", "delete", "acme/shop", "--yes") == 0)
        #expect(agreed.transport.requests.first?.method == .delete)
    }

    @Test func aNewAppComesWithTheCommandsThatDeployIt() async throws {
        let git = FakeGit(["symbolic-ref --quiet --short HEAD": GitResult(status: 0, output: "trunk\n")])
        let surroundings = FakeSurroundings(
            [.json(user), .json(#"{"id":"app_1","organisation":"acme","name":"shop"}"#, status: 201)], git: git)
        #expect(try await surroundings.run("app", "create", "shop") == 0)
        #expect(surroundings.transport.requests.last?.url.hasSuffix("/v1/organisations/acme/apps") == true)
        let advice = surroundings.errorOutput
        #expect(advice.contains("git remote add slipway http://panel.test:8080/git/acme/shop.git"))
        #expect(advice.contains("git config credential.http://panel.test:8080.helper '!"))
        #expect(advice.contains("git push slipway HEAD:main"))
    }

    @Test func gitGetsThePasswordOfThePanelOnly() async throws {
        let panel = FakeSurroundings()
        _ = try await panel.run("git-credential", "get", input: "protocol=http\nhost=panel.test:8080\n\n")
        #expect(panel.output == "username=slipway\npassword=slp_secret\n")
        let other = FakeSurroundings()
        #expect(try await other.run("git-credential", "get", input: "protocol=http\nhost=other.test\n\n") == 0)
        #expect(other.output.isEmpty)
    }

    @Test func theAppIsFoundByTheGitRemote() async throws {
        let git = FakeGit([
            "remote get-url slipway": GitResult(status: 0, output: "http://panel.test:8080/git/acme/blog.git\n")
        ])
        let surroundings = FakeSurroundings(
            [.json(#"{"id":"env_1","name":"main","url":"http://blog.test"}"#)], git: git)
        #expect(try await surroundings.run("open", overrides: ["SLIPWAY_APP": ""]) == 0)
        #expect(surroundings.output == "http://blog.test\n")
        #expect(surroundings.transport.requests.first?.url.contains("/v1/apps/acme/blog/") == true)
    }

    @Test func linesOfALogAreFollowedAsTheyCome() async throws {
        let line = #"{"at":"2023-11-14T22:13:00.123456Z","instance":"ins_0123456789","source":"app","text":"hello"}"#
        let refusal = FakeTransport.Answer.json(#"{"title":"Gone"}"#, status: 404)
        let surroundings = FakeSurroundings([.events("event: line\ndata: \(line)\n\n"), refusal])
        #expect(try await surroundings.run("logs", "-f") == 1)
        #expect(surroundings.output == "22:13:00.123  456789  hello\n")
    }
}
