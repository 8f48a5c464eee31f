// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import HTTPTypes
import TestSupport
import Testing

@testable import ControlPanel

@Suite struct RequestTraceTests {
    private static let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    private static let traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

    private func trace(_ record: Record) throws -> TraceContext {
        try #require(TraceContext(traceparent: record.traceparent ?? ""))
    }

    private func withApp(
        _ body: @escaping @Sendable (PanelFixture, PanelClient, GitWorkspace, _ port: Int) async throws -> Void
    ) async throws {
        try await PanelFixture.with { fixture in
            let workspace = try await GitWorkspace(in: fixture.folder)
            try await fixture.withServer { api, port in
                try await api.send(.post, "/v1/organisations/acme/apps", #"{"name": "shop"}"#)
                try await body(fixture, api, workspace, port)
            }
        }
    }

    @Test func whatARequestCausesBelongsToItsTrace() async throws {
        try await withApp { fixture, api, workspace, _ in
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            let base = "/v1/apps/acme/shop/environments/main/deployments"
            let answer = try await api.send(.post, base, "{}", headers: [RequestTrace.header: Self.sent])
            #expect(answer.status == 202)
            let records = try await fixture.published()
            #expect(records.count == 2)
            for record in records {
                let trace = try trace(record)
                #expect(trace.traceID == Self.traceID)
                #expect(trace.parentID != "00f067aa0ba902b7")
            }
            #expect(fixture.logs.text.contains(Self.traceID))
        }
    }

    @Test(arguments: ["", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "nonsense"])
    func aRequestWithoutAValidTraceBeginsOne(header: String) async throws {
        try await withApp { fixture, api, workspace, _ in
            let app = try #require(try await fixture.panel.apps.allApps().first)
            try await workspace.store(in: app, of: fixture)
            try await api.send(
                .post, "/v1/apps/acme/shop/environments/main/deployments", "{}",
                headers: header.isEmpty ? [:] : [RequestTrace.header: header])
            let traces = try await fixture.published().map { try trace($0).traceID }
            #expect(traces.count == 2 && Set(traces).count == 1)
        }
    }

    @Test func aPushedDeploymentBelongsToThePushsTrace() async throws {
        try await withApp { fixture, _, workspace, port in
            let url = "http://any:\(fixture.token)@localhost:\(port)/git/acme/shop.git"
            let push = Task {
                try await workspace.attempt(["-c", "http.extraHeader=traceparent: \(Self.sent)", "push", url, "main"])
            }
            try await eventually("the deployment is asked for") {
                try await !fixture.published(DeploymentRequested.type).isEmpty
            }
            let record = try #require(try await fixture.published(DeploymentRequested.type).first)
            // The push goes on to show the deployment's log until it ends.
            let asked = try Event<DeploymentRequested>(record).data
            try await fixture.apply {
                try await PanelEvents.failed(
                    DeploymentFailed(
                        deployment: asked.deployment, environment: asked.environment, stage: .build,
                        reason: "enough"), at: .now(), in: $0)
            }
            fixture.panel.notifier.raise(asked.environment.rawValue)
            _ = try await push.value
            #expect(try trace(record).traceID == Self.traceID)
        }
    }
}
