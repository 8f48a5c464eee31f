// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Logging
import Messaging
import Postgres
import TestSupport
import Testing

@testable import Controller

struct UsageChargeTests {
    private static func at(_ seconds: Double) -> Timestamp {
        Timestamp(microseconds: 1_000_000_000 + Int64(seconds * 1_000_000))
    }

    private func span(
        _ id: String = "ins_1", mebibytes: Int = 128, from start: Double, to end: Double? = nil,
        charged: Double? = nil, known: Double? = nil
    ) -> UsageSpan {
        UsageSpan(
            instance: InstanceID(id), memoryBytes: mebibytes << 20, startedAt: Self.at(start),
            endedAt: end.map(Self.at), chargedUntil: Self.at(charged ?? start), knownUntil: known.map(Self.at))
    }

    @Test func whatRunsIsChargedUpToItsHostsLastSignOfLife() {
        let charge = UsageCharge.of([span(from: 0, charged: 10, known: 25)], remainder: UsageRemainder())
        #expect(charge.instanceSeconds == 15)
        #expect(charge.memoryMebibyteSeconds == 15 * 128)
        #expect(charge.chargedUntil == [InstanceID("ins_1"): Self.at(25)])
    }

    @Test func whatHasEndedIsChargedUpToItsEndHoweverSilentItsHost() {
        let charge = UsageCharge.of([span(from: 0, to: 12, known: 5)], remainder: UsageRemainder())
        #expect(charge.instanceSeconds == 12)
    }

    @Test func aHostThatWasNotHeardOfIsNotCharged() {
        let charge = UsageCharge.of(
            [span("ins_1", from: 0, charged: 10, known: 7), span("ins_2", from: 0, charged: 10)],
            remainder: UsageRemainder())
        #expect(charge.instanceSeconds == 0)
        #expect(charge.chargedUntil.isEmpty)
    }

    @Test func instancesOfDifferentSizeAddUp() {
        let charge = UsageCharge.of(
            [span("ins_1", mebibytes: 64, from: 0, known: 10), span("ins_2", mebibytes: 512, from: 5, to: 8)],
            remainder: UsageRemainder())
        #expect(charge.instanceSeconds == 13)
        #expect(charge.memoryMebibyteSeconds == 64 * 10 + 512 * 3)
    }

    @Test func fractionsGoIntoTheNextCharge() {
        let first = UsageCharge.of([span(from: 0, known: 0.75)], remainder: UsageRemainder())
        #expect(first.instanceSeconds == 0)
        let second = UsageCharge.of([span(from: 0, charged: 0.75, known: 1.5)], remainder: first.remainder)
        #expect(second.instanceSeconds == 1)
        #expect(second.remainder.instanceSeconds == 0.5)
    }

    @Test func anEndThatBecomesKnownTooLateIsTakenOffWhatFollows() {
        let late = UsageCharge.of([span(from: 0, to: 40, charged: 60)], remainder: UsageRemainder())
        #expect(late.instanceSeconds == 0)
        #expect(late.chargedUntil == [InstanceID("ins_1"): Self.at(40)])
        let next = UsageCharge.of([span("ins_2", from: 60, known: 120)], remainder: late.remainder)
        #expect(next.instanceSeconds == 40)
        #expect(next.memoryMebibyteSeconds == 40 * 128)
    }

    @Test func anEndBeforeTheBeginningCostsNothing() {
        let charge = UsageCharge.of([span(from: 10, to: 5)], remainder: UsageRemainder())
        #expect(charge == UsageCharge.of([], remainder: UsageRemainder()))
    }

    /// Whenever it is charged, and whatever was known at the time, the charges add up to the length.
    @Test(arguments: 0..<200) func chargesOfASpanAddUpToItsLength(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let end = Double.random(in: 0...500, using: &random)
        var (remainder, charged, known, total) = (UsageRemainder(), 0.0, 0.0, 0)
        func charge(_ spans: [UsageSpan]) {
            let charge = UsageCharge.of(spans, remainder: remainder)
            remainder = charge.remainder
            total += charge.instanceSeconds
            charged =
                charge.chargedUntil[InstanceID("ins_1")].map { Double($0.microseconds - 1_000_000_000) / 1e6 }
                ?? charged
        }
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            known += Double.random(in: 0...60, using: &random)
            charge([span(from: 0, charged: charged, known: known)])
        }
        charge([span(from: 0, to: end, charged: charged, known: known)])
        // Another instance makes up for what was charged too much.
        charge([span("ins_2", from: 0, to: 2_000)])
        #expect(abs(Double(total) + remainder.instanceSeconds - end - 2_000) < 0.001, "seed \(seed)")
        #expect((0..<1).contains(remainder.instanceSeconds), "seed \(seed)")
    }
}

/// On real Postgres.
struct UsageRecorderTests {
    private static let start = Timestamp(microseconds: 1_800_000_000_000_000)
    private static let environment = EnvironmentID("env_1")
    private static let host = HostID("hst_1")
    private static let instance = InstanceID("ins_1")

    private static func at(_ seconds: Int) -> Timestamp { start.advanced(by: .seconds(seconds)) }

    private func with(_ body: @Sendable (ControllerBench) async throws -> Void) async throws {
        try await ControllerBench.with { bench in
            try await bench.pool.query("INSERT INTO environments (id) VALUES (\(Self.environment))")
            try await create(Self.instance, bench)
            try await body(bench)
        }
    }

    private func create(_ instance: InstanceID, _ bench: ControllerBench) async throws {
        try await bench.pool.query(
            """
            INSERT INTO instances (id, environment, deployment, host, role, goal, memory_bytes, desired)
            VALUES (\(instance), \(Self.environment), 'dpl_1', \(Self.host), 'web', 'running', \(256 << 20),
                '{"organisation": "acme", "app": "shop"}')
            """)
    }

    private func heartbeat(at seconds: Int, _ bench: ControllerBench) async throws {
        let observed = "{\"heartbeatAt\": \"\(Self.at(seconds).rfc3339)\"}"
        try await bench.pool.query(
            """
            INSERT INTO hosts (id, observed) VALUES (\(Self.host), \(observed))
            ON CONFLICT (id) DO UPDATE SET observed = excluded.observed
            """)
    }

    private func note(
        _ phase: InstanceObserved.Phase, at seconds: Int, of instance: InstanceID = Self.instance,
        _ bench: ControllerBench
    ) async throws {
        try await bench.pool.withTransaction { transaction in
            try await UsageStore.note(
                InstanceObserved(
                    instance: instance, host: Self.host, environment: Self.environment,
                    deployment: DeploymentID("dpl_1"), phase: phase, restarts: 0, observedAt: Self.at(seconds)),
                at: Self.at(seconds), in: transaction)
        }
    }

    private func record(at seconds: Int, _ bench: ControllerBench) async throws -> [UsageRecorded] {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let outbox = Outbox(pool: bench.pool, bus: bench.bus, source: ControllerService.source, logger: logger)
        try await UsageRecorder(pool: bench.pool, outbox: outbox, interval: .seconds(60), logger: logger)
            .record(at: Self.at(seconds))
        let rows = try await bench.pool.query("DELETE FROM outbox RETURNING value")
        return try rows.map { try JSON.value(from: $0.string("value")) }
    }

    private static let ready = InstanceObserved.Phase.ready(address: "127.0.0.1", port: 1)

    @Test func eachPeriodHasOneEventAndTheyFollowOneAnother() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 58, bench)
            let early = try await record(at: 59, bench)
            #expect(early.isEmpty)
            let first = try await record(at: 60, bench)
            #expect(
                first == [
                    UsageRecorded(
                        organisation: "acme", app: "shop", environment: Self.environment, from: Self.at(0),
                        to: Self.at(60), instanceSeconds: 58, memoryMebibyteSeconds: 58 * 256)
                ])
            let again = try await record(at: 61, bench)
            #expect(again.isEmpty)
            try await heartbeat(at: 121, bench)
            let second = try await record(at: 122, bench)
            #expect(second.map(\.from) == [Self.at(60)])
            #expect(second.map(\.instanceSeconds) == [63])
        }
    }

    @Test func controllersThatRecordAtTheSameTimeChargeOnce() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 60, bench)
            let due = Self.at(0)
            let seconds = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await bench.pool.withTransaction { transaction in
                            try await UsageStore.charge(
                                Self.environment, recordedBefore: due, at: Self.at(60), in: transaction
                            )?.instanceSeconds ?? 0
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(seconds == 60)
        }
    }

    @Test func whatACrashUndoesIsChargedAfterwards() async throws {
        struct Crash: Error {}
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 60, bench)
            await #expect(throws: Crash.self) {
                try await bench.pool.withTransaction { transaction in
                    _ = try await UsageStore.charge(
                        Self.environment, recordedBefore: Self.at(0), at: Self.at(60), in: transaction)
                    throw Crash()
                }
            }
            let events = try await record(at: 61, bench)
            #expect(events.map(\.instanceSeconds) == [60])
        }
    }

    @Test func timeWithoutAControllerIsChargedByTheFirstPeriodAfterIt() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 60, bench)
            _ = try await record(at: 60, bench)
            try await heartbeat(at: 7_260, bench)
            let events = try await record(at: 7_261, bench)
            #expect(events.map(\.instanceSeconds) == [7_200])
        }
    }

    @Test func anInstanceIsChargedToItsEndAlsoWhenItIsForgottenFirst() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 4, bench)
            try await note(.stopped, at: 30, bench)
            try await bench.pool.query("DELETE FROM instances")
            let events = try await record(at: 60, bench)
            #expect(events.map(\.instanceSeconds) == [30])
            let rest = try await bench.pool.query("SELECT instance FROM usage_spans")
            #expect(rest.isEmpty)
        }
    }

    @Test func aRecordThatComesAgainBeginsNothingAnew() async throws {
        try await with { bench in
            try await heartbeat(at: 200, bench)
            for _ in 0..<2 {
                try await note(Self.ready, at: 0, bench)
                try await note(.stopped, at: 30, bench)
            }
            let first = try await record(at: 60, bench)
            #expect(first.map(\.instanceSeconds) == [30])
            try await note(Self.ready, at: 0, bench)
            let whileKnown = try await record(at: 120, bench)
            try await bench.pool.query("DELETE FROM instances")
            _ = try await record(at: 180, bench)
            try await note(Self.ready, at: 0, bench)
            let afterwards = try await record(at: 240, bench)
            #expect(whileKnown.isEmpty)
            #expect(afterwards.isEmpty)
        }
    }

    @Test func anInstanceWhoseHostIsLostIsChargedToTheHostsLastSignOfLife() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await heartbeat(at: 50, bench)
            _ = try await record(at: 60, bench)
            try await heartbeat(at: 100, bench)
            try await bench.pool.withTransaction { transaction in
                try await UsageStore.endUnreported(Self.instance, in: transaction)
                try await transaction.query("DELETE FROM instances")
            }
            let events = try await record(at: 600, bench)
            #expect(events.map(\.instanceSeconds) == [50])
            let rest = try await bench.pool.query("SELECT instance FROM usage_spans")
            #expect(rest.isEmpty)
        }
    }

    @Test func anEnvironmentThatWasIdleBeginsItsPeriodWithItsNextInstance() async throws {
        try await with { bench in
            try await note(Self.ready, at: 0, bench)
            try await note(.stopped, at: 10, bench)
            try await bench.pool.query("DELETE FROM instances")
            _ = try await record(at: 60, bench)
            let next = InstanceID("ins_2")
            try await create(next, bench)
            try await note(Self.ready, at: 5_000, of: next, bench)
            try await heartbeat(at: 5_060, bench)
            let events = try await record(at: 5_060, bench)
            #expect(events.map(\.from) == [Self.at(5_000)])
            #expect(events.map(\.instanceSeconds) == [60])
        }
    }
}
