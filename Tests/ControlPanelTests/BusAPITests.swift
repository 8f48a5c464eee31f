// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import HTTPTypes
import Logging
import PostgresEventBus
import TestSupport
import Testing

@testable import ControlPanel

@Suite struct BusAPITests {
    @Test func everyRouteOfTheBusIsForOperatorsOnly() async throws {
        try await PanelFixture.with { fixture in
            let `operator` = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            let routes = fixture.panel.router().routes.filter { $0.path.description.hasPrefix("/v1/bus") }
                .map { (method: $0.method, path: $0.path.description.replacing("{id}", with: "evt_none")) }
            #expect(routes.count == 7)
            try await fixture.withAPI { api in
                for route in routes {
                    let path = route.path
                    let denied = try await api.send(route.method, path)
                    #expect(denied.status == 403, "\(route.method) \(path)")
                    #expect(denied.text.contains("operators of the installation"))
                    #expect(try await api.send(route.method, path, token: "").status == 401, "\(route.method) \(path)")
                    let admitted = try await api.send(route.method, path, token: `operator`)
                    #expect(![401, 403].contains(admitted.status), "\(route.method) \(path)")
                }
            }
        }
    }

    @Test func aUserIsToldWhetherHeIsAnOperator() async throws {
        try await PanelFixture.with { fixture in
            let `operator` = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            // Naming the user once more does not take anything away.
            _ = try await fixture.user("olga@example.org", role: nil)
            try await fixture.withAPI { api in
                let isOperator = try await api.send(.get, "/v1/user", token: `operator`).json["isOperator"]
                #expect(isOperator == .bool(true))
                let isOwnerOne = try await api.send(.get, "/v1/user").json["isOperator"]
                #expect(isOwnerOne == .bool(false))
            }
        }
    }

    @Test func topicsAndLagAreThoseOfTheBus() async throws {
        try await PanelFixture.withBus { fixture in
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            let event = Event(source: "/t", data: BuildCancelRequested(build: BuildID("bld_1")))
            try await fixture.panel.bus.publish([event.record()])
            try await eventually("the panel has passed it over") {
                try await fixture.panel.bus.groupPositions().contains {
                    $0.group == PanelEvents.group && $0.topic == "builds" && $0.committed == 1
                }
            }
            try await fixture.withAPI { api in
                let topics = try await api.send(.get, "/v1/bus/topics", token: token)
                #expect(try topics.json.elements.count == Topic.all.count)
                let builds = try topics.json.elements.first { $0["name"]?.text == "builds" }
                #expect(builds?["kind"]?.text == "event")
                let next = builds?["partitions"]?.elements.compactMap { $0["next"] }.filter { $0 == .number("1") }
                #expect(next?.count == 1)
                let lag = try await api.send(.get, "/v1/bus/lag", token: token)
                let own = try lag.json.elements.filter { $0["group"]?.text == PanelEvents.group }
                #expect(!own.isEmpty && own.allSatisfy { $0["lag"] == .number("0") })
            }
        }
    }

    @Test func theTailShowsWhatIsPublishedFromNowOnSealedAndShortened() async throws {
        try await PanelFixture.withBus { fixture in
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            let entry = try #require(Catalogue.entry(ServiceProvisioned.type))
            let long = Event(
                source: "/t",
                data: ServiceFailed(
                    service: ServiceInstanceID("svc_1"), environment: EnvironmentID("env_1"),
                    reason: String(repeating: "x", count: 2 * PanelLimits.tailValueBytesMax)))
            try await fixture.withServer { api, port in
                let client = PanelClient(client: api.client, token: token)
                let stream = LiveStream()
                async let reading = stream.read("/v1/bus/tail?topic=services", of: client, port: port) { text in
                    text.split(separator: "event: record").count > 2 && text.hasSuffix("\n\r\n")
                }
                try await eventually("the tail has begun") { stream.text.contains("event: started") }
                let other = Event(source: "/t", data: BuildCancelRequested(build: BuildID("bld_unasked")))
                try await fixture.panel.bus.publish([other.record(), entry.example(), long.record()])
                let text = try await reading
                #expect(text.contains("ciphertext"))
                #expect(!text.contains("bld_unasked"))
                #expect(text.contains(#""isShortened":true"#))
                #expect(text.utf8.count < 2 * PanelLimits.tailValueBytesMax)
            }
        }
    }

    @Test func aTopicThatIsNoneIsNamed() async throws {
        try await PanelFixture.with { fixture in
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            try await fixture.withAPI { api in
                let answer = try await api.send(.get, "/v1/bus/tail?topic=nothing", token: token)
                #expect(answer.status == 422)
                #expect(answer.text.contains("nothing") && answer.text.contains("deployments"))
            }
        }
    }

    @Test func aBusThatIsAwayIsNamed() async throws {
        let dead = try DeadPort()
        let bus = PostgresEventBus(
            ownPool: .init(url: "postgresql://nobody:hidden@127.0.0.1:\(dead.port)/bus", name: "away"), prefix: "test",
            logger: Logger(label: "bus", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await PanelFixture.with(bus: bus) { fixture in
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            try await fixture.withAPI { api in
                for path in ["/v1/bus/topics", "/v1/bus/lag", "/v1/bus/tail"] {
                    let answer = try await api.send(.get, path, token: token)
                    #expect(answer.status == 503, "\(path)")
                    #expect(try answer.json["type"]?.text == "urn:slipway:problem:bus-unavailable")
                    #expect(!answer.text.contains("hidden"))
                }
            }
        }
        withExtendedLifetime(dead) {}
    }
}

@Suite struct TailLineTests {
    @Test func longHeadersAreShortened() {
        let record = Record(
            topic: "builds", key: "k", headers: ["a": String(repeating: "é", count: 20_000), "b": "x"],
            value: Data("{}".utf8))
        let line = TailLine(IncomingRecord(record: record, partition: 0, offset: 1))
        let bytes = line.headers.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        #expect(bytes <= PanelLimits.tailHeadersBytesMax + 16)
        #expect(line.isShortened)
        #expect(line.value == "{}")
    }
}
