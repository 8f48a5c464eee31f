// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Foundation
import Postgres
import Secrets
import TestSupport
import Testing

@testable import Controller
@testable import PostgresEventBus

/// The controller's store, intake and reconciler on real Postgres.
struct ControllerComponentTests {
    private static let sentinel = "sentinel-of-the-user"

    private func request(
        _ bench: ControllerBench, _ id: String, release: Bool = true, service: Bool = true
    ) throws -> DeploymentRequested {
        let deployment = DeploymentID(id)
        let environment = EnvironmentID("env_1")
        var request = try SimulatedWorld.request(id, instances: 2, release: release, service: service)
        request.source.token = try Sealed(
            "token", to: bench.controllerKey.publicKey, context: SourceLocation.tokenContext(deployment))
        request.spec.run.relationships = service ? ["DATABASE_URL": "db"] : [:]
        request.spec.run.environment = ["GREETING": "from the file", "PLAIN": "kept"]
        request.variables = [
            "GREETING": Variable(value: .plain("from the user"), visibleInBuild: false, revision: 1),
            "KEY": Variable(
                value: .sealed(
                    try Sealed(
                        Self.sentinel, to: bench.controllerKey.publicKey, context: Variable.context(environment, "KEY"))
                ),
                visibleInBuild: true, revision: 2),
        ]
        return request
    }

    private func everything(in pool: PostgresPool) async throws -> String {
        let tables = try await pool.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        var text = ""
        for table in try tables.map({ try $0.string("tablename") }) {
            let rows = try await pool.query("SELECT t::text AS row FROM \(identifier: table) AS t")
            for row in rows { text += try row.string("row") + "\n" }
        }
        return text
    }

    @Test func aDeploymentIsCarriedFromItsRequestToItsRoute() async throws {
        try await ControllerBench.with { bench in
            let request = try request(bench, "dpl_1")
            try await bench.withController {
                try await bench.publish(request)
                try await eventually("success") { bench.seen.succeeded.count == 1 }
                try await eventually("the hook's instance is forgotten") {
                    try await bench.pool.query("SELECT id FROM instances").count == 2
                }
            }
            let seen = bench.seen
            #expect(seen.failed.isEmpty)
            #expect(seen.builds.count == 1)
            #expect(seen.routes["a.test"]?.upstreams.count == 2)
            // The token is sealed anew to the builders, and so is the variable that builds may see.
            let build = try #require(seen.builds.first)
            let token = try bench.builderKey.open(
                build.source.token, context: SourceLocation.tokenContext(request.deployment))
            #expect(token == "token")
            #expect(Array(build.variables.keys) == ["KEY"])
        }
    }

    @Test func allThatFollowsFromARequestBelongsToItsTrace() async throws {
        try await ControllerBench.with { bench in
            let (first, second, removal) = (TraceContext.root(), TraceContext.root(), TraceContext.root())
            let requests = (try request(bench, "dpl_1"), try request(bench, "dpl_2"))
            try await bench.publish(requests.0, traceparent: first.traceparent)
            // The trace is kept where a crash does not reach it.
            try await bench.withController {
                try await eventually("the request is noted") {
                    try await !bench.pool.query("SELECT 1 AS ok FROM deployments").isEmpty
                }
            }
            try await bench.withController {
                try await eventually("success") { bench.seen.succeeded.count == 1 }
                try await bench.publish(requests.1, traceparent: second.traceparent)
                try await eventually("success of the second") { bench.seen.succeeded.count == 2 }
                var tombstone = Record.tombstone(EnvironmentDesired.self, key: "env_1", source: "/slipway/test")
                tombstone.headers["traceparent"] = removal.traceparent
                try await bench.bus.publish([tombstone])
                try await eventually("the route is removed") { bench.seen.routes.isEmpty }
                try await eventually("every instance is forgotten") {
                    try await bench.pool.query("SELECT id FROM instances").isEmpty
                }
                try await eventually("every tombstone is published") {
                    bench.seen.records.filter { $0.topic == Topic.instancesDesired.name && $0.value == nil }.count == 6
                }
            }
            let seen = bench.seen
            var spans: Set<String> = [first.parentID, second.parentID, removal.parentID]
            var found: [String: Set<String>] = [:]
            for record in seen.records where record.headers["ce_source"] == ControllerService.source {
                let trace = try #require(record.traceparent.flatMap(TraceContext.init(traceparent:)), "\(record)")
                let isNewSpan = spans.insert(trace.parentID).inserted
                #expect(isNewSpan, "a span is used twice: \(record)")
                found[trace.traceID, default: []].insert(record.type ?? "")
                guard record.topic == Topic.instancesDesired.name else { continue }
                let instance = try #require(record.key.split(separator: "/").last.map { InstanceID(String($0)) })
                let deployment = seen.instances[instance]?.deployment
                #expect(trace.traceID == (deployment == requests.0.deployment ? first : second).traceID, "\(record)")
            }
            let both: Set = [
                DeploymentProgressed.type, BuildRequested.type, DeploymentSucceeded.type, InstanceDesired.type,
                RouteDesired.type,
            ]
            #expect(Set(found.keys) == [first.traceID, second.traceID, removal.traceID])
            #expect(found[first.traceID] == both.union([ServiceRequested.type]))
            #expect(found[second.traceID]?.isSuperset(of: both.subtracting([BuildRequested.type])) == true)
            #expect(found[removal.traceID] == [RouteDesired.type, ServiceRemovalRequested.type])
        }
    }

    @Test func anInstanceGetsEachVariableOnceAndSecretsOnlySealedToItsHost() async throws {
        try await ControllerBench.with { bench in
            let request = try request(bench, "dpl_1")
            try await bench.withController {
                try await bench.publish(request)
                try await eventually("success") { bench.seen.succeeded.count == 1 }
            }
            let web = bench.seen.instances.values.first { if case .web = $0.role { true } else { false } }
            let desired = try #require(web)
            #expect(desired.environmentVariables == ["GREETING": "from the user", "PLAIN": "kept"])
            let text = try bench.hostKey.open(
                #require(desired.secrets), context: InstanceDesired.secretsContext(desired.instance))
            let secrets = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
            #expect(secrets == ["DATABASE_URL": ControllerBench.serviceURL, "KEY": Self.sentinel])
            let stored = try await everything(in: bench.pool) + everything(in: bench.bus.pool)
            #expect(!stored.contains("sentinel"))
        }
    }

    @Test func aKilledControllerGoesOnWhereItWas() async throws {
        try await ControllerBench.with { bench in
            let request = try request(bench, "dpl_1")
            try await bench.publish(request)
            // Ends at whatever point it has reached, again and again.
            for milliseconds in [10, 20, 40, 80, 120] {
                try await bench.withController {
                    let end = ContinuousClock.now + .milliseconds(milliseconds)
                    while ContinuousClock.now < end { await Task.yield() }
                }
            }
            try await bench.withController {
                try await eventually("success") { !bench.seen.succeeded.isEmpty }
            }
            #expect(bench.seen.succeeded.count == 1)
            #expect(bench.seen.builds.count == 1)
            #expect(bench.seen.serviceRequests.count == 1)
            #expect(bench.seen.instances.count == 3)
        }
    }

    @Test func theNextDeploymentAsksAgainForAServiceThatFailed() async throws {
        try await ControllerBench.with { bench in
            let (first, second) = (try request(bench, "dpl_1"), try request(bench, "dpl_2"))
            try await bench.withController {
                bench.failServices("the server is full")
                try await bench.publish(first)
                try await eventually("failure") { bench.seen.failed.count == 1 }
                bench.failServices(nil)
                try await bench.publish(second)
                try await eventually("success") { bench.seen.succeeded.count == 1 }
            }
            #expect(bench.seen.failed.first?.reason == "service db cannot be provisioned: the server is full")
            #expect(Set(bench.seen.serviceRequests.map(\.service)).count == 1)
        }
    }

    @Test func aDeploymentThatIsReadAfterTheEndOfItsEnvironmentFails() async throws {
        try await ControllerBench.with { bench in
            let request = try request(bench, "dpl_1")
            try await bench.withController {
                try await bench.bus.publish([
                    Record.tombstone(EnvironmentDesired.self, key: "env_1", source: "/slipway/test")
                ])
                try await eventually("the end is noted") {
                    try await !bench.pool.query("SELECT 1 AS ok FROM environments WHERE torn_down_at IS NOT NULL")
                        .isEmpty
                }
                try await bench.publish(request)
                try await eventually("failure") { bench.seen.failed.count == 1 }
            }
            #expect(bench.seen.instances.isEmpty)
            #expect(bench.seen.routes.isEmpty)
        }
    }

    @Test func aCancelledDeploymentThatIsNotKnownEndsAllTheSame() async throws {
        try await ControllerBench.with { bench in
            try await bench.withController {
                try await bench.publish(
                    DeploymentCancelRequested(
                        deployment: DeploymentID("dpl_lost"), environment: EnvironmentID("env_1")))
                try await eventually("its end") { bench.seen.failed.count == 1 }
            }
            #expect(bench.seen.failed.first?.wasCancelled == true)
        }
    }

    @Test func aSecretThatCannotBeOpenedFailsTheDeploymentInsteadOfBlockingTheQueue() async throws {
        try await ControllerBench.with { bench in
            var foreign = try request(bench, "dpl_1", service: false)
            foreign.variables["KEY"] = Variable(
                value: .sealed(try Sealed("x", to: PrivateSealingKey().publicKey, context: "c")), visibleInBuild: false,
                revision: 3)
            let (broken, good) = (foreign, try request(bench, "dpl_2", service: false))
            try await bench.withController {
                try await bench.publish(broken)
                try await bench.publish(good)
                try await eventually("the next one's success") { bench.seen.succeeded.count == 1 }
            }
            #expect(bench.seen.failed.map(\.deployment) == [DeploymentID("dpl_1")])
            #expect(bench.seen.failed.first?.reason.contains("sealed to key") == true)
        }
    }

    @Test func timeInWhichTheControllerWasAwayCountsForNoDeadline() async throws {
        try await ControllerBench.with { bench in
            let request = try request(bench, "dpl_1", release: false, service: false)
            try await bench.withController {
                try await bench.publish(request)
                try await eventually("success") { bench.seen.succeeded.count == 1 }
            }
            // An hour ago the controller vanished in the middle of a switch; hosts and nodes were last seen then.
            try await bench.pool.query("UPDATE controller_clock SET alive_at = now() - interval '1 hour'")
            try await bench.pool.query(
                """
                UPDATE deployments SET state = 'running', stage = 'switch', switch_generation = 1000000,
                    stage_entered_at = now() - interval '1 hour 1 second'
                """)
            try await bench.withController {
                try await eventually("the deadline has moved") {
                    try await !bench.pool.query(
                        """
                        SELECT 1 AS ok FROM deployments
                        WHERE stage_entered_at > now() - interval '1 minute' AND state = 'running'
                        """
                    ).isEmpty
                }
            }
            #expect(bench.seen.failed.isEmpty)
        }
    }
}
