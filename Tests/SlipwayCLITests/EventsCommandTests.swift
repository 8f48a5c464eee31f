// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct EventsCommandTests {
    private let user = #"{"id":"usr_1","email":"ada@acme.test","organisations":[{"name":"acme","role":"viewer"}]}"#
    private let letter =
        #"{"id":"evt_9","consumer":"controller","topic":"builds","partition":2,"offset":17,"recordKey":"bld_1","#
        + #""eventId":"evt_1","type":"build.failed.v1","cause":"field reason is missing","status":"parked","#
        + #""canReplay":true,"parkedAt":"2023-11-14T22:13:00Z","decidedAt":null,"decidedBy":null}"#
    private let refusal = FakeTransport.Answer.json(#"{"title":"Gone"}"#, status: 410)

    @Test func topicsAreSummedUpAndMissingOnesNamed() async throws {
        let surroundings = FakeSurroundings([
            .json(
                #"[{"name":"builds","kind":"event","retentionSeconds":604800,"partitionCount":2,"partitions":"#
                    + #"[{"partition":0,"oldest":2,"next":5},{"partition":1,"oldest":0,"next":1}]},"#
                    + #"{"name":"routes.desired","kind":"state","retentionSeconds":86400,"partitionCount":1,"#
                    + #""partitions":[]}]"#)
        ])
        #expect(try await surroundings.run("events", "topics") == 0)
        #expect(
            surroundings.output == """
                TOPIC           KIND   PARTITIONS  RECORDS  KEPT
                builds          event  2           4        7 d
                routes.desired  state  0           0        latest of a key

                """)
        #expect(surroundings.errorOutput.contains("Missing on the bus: routes.desired."))
        #expect(surroundings.transport.requests.first?.url == "http://panel.test:8080/v1/bus/topics")
    }

    @Test func lagIsSummedUpPerTopicTheFurthestBehindFirst() async throws {
        let answer =
            #"[{"group":"panel","topic":"builds","partition":0,"committed":4,"lag":0},"#
            + #"{"group":"controller","topic":"builds","partition":0,"committed":1,"lag":2},"#
            + #"{"group":"controller","topic":"builds","partition":1,"committed":1,"lag":1}]"#
        let summed = FakeSurroundings([.json(answer)])
        #expect(try await summed.run("events", "lag") == 0)
        #expect(
            summed.output == """
                GROUP       TOPIC   LAG
                controller  builds  3
                panel       builds  0

                """)
        let detailed = FakeSurroundings([.json(answer)])
        #expect(try await detailed.run("events", "lag", "--partitions") == 0)
        #expect(detailed.output.contains("controller  builds  0          1          2\n"))
    }

    @Test func whoIsNoOperatorIsToldSo() async throws {
        let surroundings = FakeSurroundings([
            .json(
                #"{"title":"Not permitted","status":403,"detail":"this is for operators of the installation"}"#,
                status: 403)
        ])
        #expect(try await surroundings.run("events", "lag") == 1)
        #expect(
            surroundings.errorOutput == """
                slipway: Not permitted: this is for operators of the installation
                See who you are and your roles: slipway whoami

                """)
    }

    @Test func whoAmISaysWhoIsAnOperator() async throws {
        let surroundings = FakeSurroundings([
            .json(#"{"id":"usr_1","email":"ada@acme.test","isOperator":true,"organisations":[]}"#)
        ])
        #expect(try await surroundings.run("whoami") == 0)
        #expect(surroundings.output.contains("Operator  of the whole installation\n"))
    }

    @Test func theTailIsALineForEachRecord() async throws {
        let record =
            #"{"topic":"builds","partition":2,"offset":17,"key":"bld_1","type":"build.failed.v1","headers":{},"#
            + #""value":"{\"build\":\"bld_1\"}","valueBytes":17,"isShortened":false}"#
        let stream = "event: started\ndata: {\"topics\":[\"builds\"]}\n\nevent: record\ndata: \(record)\n\n"
        let plain = FakeSurroundings([.events(stream), refusal])
        #expect(try await plain.run("events", "tail", "--topic", "builds", "--topic", "services") == 1)
        #expect(plain.output == "builds/2@17  build.failed.v1  bld_1  {\"build\":\"bld_1\"}\n")
        #expect(plain.transport.requests.first?.url.hasSuffix("/v1/bus/tail?topic=builds&topic=services") == true)
        let json = FakeSurroundings([.events(stream), refusal])
        _ = try await json.run("events", "tail", "--json")
        #expect(json.output == record + "\n")
    }

    @Test func deadLettersAreListedWithWhatToDo() async throws {
        let surroundings = FakeSurroundings([.json("[\(letter)]")])
        #expect(try await surroundings.run("events", "dead-letters", "--consumer", "controller") == 0)
        #expect(
            surroundings.output == """
                ID     CONSUMER    TYPE             PLACE        STATUS  PARKED    CAUSE
                evt_9  controller  build.failed.v1  builds/2@17  parked  20 s ago  field reason is missing

                """)
        #expect(surroundings.errorOutput.contains("slipway events dead-letters replay evt_9"))
        #expect(surroundings.errorOutput.contains("slipway events dead-letters discard evt_9"))
        #expect(
            surroundings.transport.requests.first?.url
                == "http://panel.test:8080/v1/bus/dead-letters?limit=50&consumer=controller&status=parked")
    }

    @Test func aDeadLetterIsShownWithItsRecord() async throws {
        let detail = letter.dropLast() + #","headers":{"ce_id":"evt_1"},"value":"{}","valueOmitted":false}"#
        let surroundings = FakeSurroundings([.json(String(detail))])
        #expect(try await surroundings.run("events", "dead-letters", "show", "evt_9") == 0)
        #expect(surroundings.output.contains("Header       ce_id: evt_1\n"))
        #expect(surroundings.output.contains("Value        {}\n"))
        #expect(surroundings.errorOutput.contains("replay evt_9"))
    }

    @Test(arguments: ["replay", "discard"])
    func aDecisionIsSentOnceWhateverHappensOnTheWay(decision: String) async throws {
        let broken = FakeTransport.Answer.failure(.init(kind: .interrupted, reason: "closed"))
        let surroundings = FakeSurroundings([broken, .json(letter, status: 202)])
        #expect(try await surroundings.run("events", "dead-letters", decision, "evt_9") == 0)
        let requests = surroundings.transport.requests
        #expect(requests.map(\.method) == [.post, .post])
        #expect(requests.allSatisfy { $0.url.hasSuffix("/v1/bus/dead-letters/evt_9/\(decision)") })
        #expect(requests.allSatisfy { $0.headers["Idempotency-Key"] == "key-1" && $0.body == Array("{}".utf8) })
    }

    @Test func aLetterThatIsNotThereLeadsToTheList() async throws {
        let surroundings = FakeSurroundings([
            .json(
                #"{"title":"Not found","status":404,"detail":"there is none","instance":"/v1/bus/dead-letters/evt_9"}"#,
                status: 404)
        ])
        #expect(try await surroundings.run("events", "dead-letters", "show", "evt_9") == 1)
        #expect(surroundings.errorOutput.contains("slipway events dead-letters list"))
    }

    @Test func theFeedIsFollowedFromNowOnAndTakenUpAtTheLastId() async throws {
        let event =
            #"{"id":"evt_1","subject":"env_1","time":"2023-11-14T22:13:00.123456Z","type":"deployment.failed.v1","#
            + #""data":{"stage":"build"}}"#
        let surroundings = FakeSurroundings([
            .json(user), .events(": still here\nid: 7\n\n"),
            .events("event: message\nid: 9\ndata: \(event)\n\n: still here\nid: 12\n\n"), refusal,
        ])
        #expect(try await surroundings.run("events", "follow", "--type", "deployment.failed.v1") == 1)
        #expect(surroundings.output == "#9  22:13:00.123  deployment.failed.v1  env_1  {\"stage\":\"build\"}\n")
        #expect(surroundings.errorOutput.hasPrefix("Events of acme. Ctrl-C stops.\nslipway: "))
        let requests = surroundings.transport.requests.dropFirst()
        #expect(
            requests.first?.url == "http://panel.test:8080/v1/organisations/acme/events?after=latest"
                + "&types=deployment.failed.v1")
        #expect(requests.map { $0.headers["Last-Event-ID"] } == [nil, "7", "12"])
    }

    @Test func anOrganisationThatIsNotThereIsAllThatIsSaid() async throws {
        let surroundings = FakeSurroundings([
            .json(
                #"{"title":"Not found","detail":"there is no organisation nope","#
                    + #""instance":"/v1/organisations/nope/events"}"#, status: 404)
        ])
        #expect(try await surroundings.run("events", "follow", "--org", "nope") == 1)
        #expect(
            surroundings.errorOutput == """
                slipway: Not found: there is no organisation nope
                See what there is: slipway org list

                """)
    }

    @Test(arguments: [("parked", "no parked dead letters"), ("all", "no dead letters")])
    func noDeadLettersAreSaidToBeNone(status: String, words: String) async throws {
        let surroundings = FakeSurroundings([.json("[]")])
        #expect(try await surroundings.run("events", "dead-letters", "list", "--status", status) == 0)
        #expect(surroundings.errorOutput.hasPrefix("There are \(words).\n"))
    }

    @Test func anEventAsJSONHasItsNumber() {
        #expect(EventText.json(#"{"id":"evt_1"}"#, number: "45") == #"{"sequence":"45","id":"evt_1"}"#)
        #expect(EventText.json(#"{"id":"evt_1"}"#, number: nil) == #"{"id":"evt_1"}"#)
    }

    @Test func theFeedsOrganisationIsNamedWhereThereAreSeveral() async throws {
        let several = FakeSurroundings([
            .json(#"{"id":"u","email":"a@b","organisations":[{"name":"acme"},{"name":"beta"}]}"#)
        ])
        #expect(try await several.run("events", "follow") == 1)
        #expect(several.errorOutput.contains("which organisation? You belong to acme, beta"))
        #expect(several.errorOutput.contains("--organisation acme"))
        let named = FakeSurroundings([refusal])
        #expect(try await named.run("events", "follow", "--org", "beta", "--after", "3", "--json") == 1)
        #expect(named.transport.requests.first?.url.hasSuffix("/v1/organisations/beta/events?after=3") == true)
    }

    @Test func whatMakesNoSenseIsRefusedBeforeAnythingIsAsked() async throws {
        for arguments in [
            ["events", "follow", "--after", "-1"], ["events", "follow", "--type", "a,b"],
            ["events", "dead-letters", "list", "--limit", "0"], ["events", "dead-letters", "list", "--status", "open"],
        ] {
            let surroundings = FakeSurroundings()
            let status = try await withTemporaryFolder { folder in
                await CommandContext.$current.withValue(surroundings.context(folder: folder)) {
                    await SlipwayTool.run(arguments)
                }
            }
            #expect(status == 64, "\(arguments)")
            #expect(surroundings.transport.requests.isEmpty)
        }
    }
}

/// What a person reads once is not told twice.
struct RepetitionTests {
    @Test func aFieldsErrorThatTheMessageTellsIsNotRepeated() throws {
        let panel = try #require(PanelAddress("http://panel.test"))
        let body =
            #"{"title":"Invalid value","detail":"name: is taken","errors":[{"field":"name","message":"is taken"}]}"#
        let error = CLIError(WireResponse(status: 422, body: Array(body.utf8)), from: panel)
        #expect(error.rendered() == "slipway: Invalid value: name: is taken")
    }

    @Test func aFailedDeploymentIsNumberedOnceAndItsReasonKeepsItsLines() async throws {
        let environment =
            #"{"id":"env_1","name":"main","latestDeployment":{"id":"dpl_1","number":3,"state":"failed","#
            + #""commit":"0123456789","message":"first","reason":"no health\nlook at the log"}}"#
        let surroundings = FakeSurroundings([.json(environment)])
        #expect(try await surroundings.run("status") == 0)
        #expect(surroundings.output.split(separator: "#3").count == 2)
        let lines = surroundings.output.split(separator: "\n").suffix(2)
        #expect(lines.first?.hasPrefix("Reason ") == true)
        #expect(lines.first?.hasSuffix(" no health") == true)
        #expect(lines.last?.hasSuffix(" look at the log") == true)
    }

    @Test func aChangeWatchedWithJSONPrintsTheAnswerOnly() async throws {
        let deployment = #"{"id":"dpl_1","number":3,"kind":"variables","state":"succeeded","url":"http://shop.test"}"#
        let surroundings = FakeSurroundings([
            .json(#"{"variables":[],"deployment":\#(deployment)}"#),
            .events("event: end\ndata: {\"state\":\"succeeded\",\"reason\":null,\"url\":\"http://shop.test\"}\n\n"),
            .json(deployment),
        ])
        #expect(try await surroundings.run("env", "set", "--json", "A=b") == 0)
        #expect(surroundings.output.hasSuffix("}\n"))
    }
}
