// SPDX-License-Identifier: Apache-2.0
import Domain
import TestSupport
import Testing

@testable import ControlPanel

/// A stream ends when whoever opened it may not open it any more.
@Suite struct StreamAuthorizationTests {
    private static let environment = "/v1/apps/acme/shop/environments/main"
    private static let paths = [
        FeedWorld.path, environment + "/logs?follow=true", environment + "/deployments/dpl_1/log",
    ]

    private static func isEnded(_ text: String) -> Bool {
        text.contains(StreamAuthorization.withdrawn) && text.hasSuffix("0\r\n\r\n")
    }

    @Test(arguments: paths)
    func aRevokedTokenEndsItsStreams(path: String) async throws {
        try await FeedWorld.with { world in
            try await world.addDeployment(DeploymentID("dpl_1"))
            try await world.fixture.withServer { api, port in
                let stream = LiveStream()
                async let reading = stream.read(path, of: api, port: port, until: Self.isEnded)
                try await eventually("the stream is open") { stream.text.contains("still here") }
                let id = try #require(try await api.send(.get, "/v1/tokens").json[0]?["id"]?.text)
                #expect(try await api.send(.delete, "/v1/tokens/\(id)").status == 204)
                #expect(Self.isEnded(try await reading))
            }
        }
    }

    @Test func whoLeavesAnOrganisationReadsItsEventsNoLonger() async throws {
        try await FeedWorld.with { world in
            let viewer = try await world.fixture.user("vera@example.org", role: .viewer)
            try await world.fixture.withServer { api, port in
                let stream = LiveStream()
                let client = PanelClient(client: api.client, token: viewer)
                async let reading = stream.read(FeedWorld.path, of: client, port: port, until: Self.isEnded)
                try await eventually("the stream is open") { stream.text.contains("still here") }
                try await world.fixture.pool.query(
                    "DELETE FROM memberships WHERE organisation = \(world.organisation) AND role = 'viewer'")
                #expect(Self.isEnded(try await reading))
            }
        }
    }

    @Test func whoIsNoOperatorAnyMoreSeesTheBusNoLonger() async throws {
        try await PanelFixture.withBus { fixture in
            let token = try await fixture.user("olga@example.org", role: nil, isOperator: true)
            try await fixture.withServer { api, port in
                let stream = LiveStream()
                let client = PanelClient(client: api.client, token: token)
                async let reading = stream.read("/v1/bus/tail", of: client, port: port, until: Self.isEnded)
                try await eventually("the stream is open") { stream.text.contains("event: started") }
                try await fixture.pool.query("UPDATE users SET is_operator = false")
                #expect(Self.isEnded(try await reading))
            }
        }
    }

    @Test func aStreamThatMayGoOnIsAskedOnlyOnceInAWhile() async throws {
        let asked = Mutexed(0)
        var authorization = StreamAuthorization {
            asked.change { $0 += 1 }
            return true
        }
        for _ in 0..<100 { #expect(try await authorization.holds()) }
        #expect(asked.value == 0)
    }
}
