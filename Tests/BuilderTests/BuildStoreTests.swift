// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import EventBus
import Events
import Postgres
import TestSupport
import Testing

@testable import Builder
@testable import Messaging

@Suite struct BuildStoreTests {
    private let requests = Requests()

    private func consumer(_ pool: PostgresPool, _ outbox: Outbox) -> EventConsumer {
        EventConsumer(
            bus: RecordingBus(), pool: pool, outbox: outbox, group: "builder", topics: BuildIntake.topics,
            handlers: BuildIntake.handlers(outbox), logger: testLogger)
    }

    private func deliver(
        _ payload: some EventPayload, traceparent: String? = nil, to consumer: EventConsumer
    ) async throws {
        let record = try Event(source: "/slipway/controller", traceparent: traceparent, data: payload).record()
        try await consumer.handle(IncomingRecord(record: record, partition: 0, offset: 0))
    }

    private func expireLease(_ build: BuildID, _ pool: PostgresPool) async throws {
        try await pool.query(
            "UPDATE builds SET lease_until = now() - make_interval(secs => 1) WHERE id = \(build)")
    }

    @Test func buildsAreTakenInTheOrderOfTheirRequestsAndOnlyOnce() async throws {
        try await withBuilderDatabase { pool, outbox in
            let intake = consumer(pool, outbox)
            let first = try requests.request(identity: "a")
            let second = try requests.request(identity: "b")
            try await deliver(first, to: intake)
            try await deliver(first, to: intake)
            try await deliver(second, to: intake)
            let store = BuildStore(pool: pool, outbox: outbox, worker: "one")
            let other = BuildStore(pool: pool, outbox: outbox, worker: "two")
            let claim = try await store.claim()
            #expect(claim?.request == first && claim?.attempt == 1 && claim?.isCancelRequested == false)
            #expect(try await other.claim()?.request == second)
            #expect(try await store.claim() == nil)
        }
    }

    @Test func onlySealedValuesAreStored() async throws {
        try await withBuilderDatabase { pool, outbox in
            let request = try requests.request(variables: ["KEY": try requests.sealedSecret("KEY")])
            try await deliver(request, to: consumer(pool, outbox))
            let stored = try await pool.query("SELECT request FROM builds").first?.string("request")
            #expect(stored?.contains("SENTINEL") == false)
        }
    }

    @Test func aBuildOfADeadBuilderIsTakenByAnother() async throws {
        try await withBuilderDatabase { pool, outbox in
            let request = try requests.request()
            try await deliver(request, to: consumer(pool, outbox))
            let dead = BuildStore(pool: pool, outbox: outbox, worker: "dead")
            let heir = BuildStore(pool: pool, outbox: outbox, worker: "heir")
            _ = try await dead.claim()
            #expect(try await heir.claim() == nil)
            try await expireLease(request.build, pool)
            #expect(try await heir.claim()?.attempt == 2)
            #expect(try await dead.renew(request.build) == .lost)
            #expect(try await !dead.finish(request, .failed(reason: "late")))
            #expect(try await outboxEvents(BuildFailed.self, pool).isEmpty)
        }
    }

    @Test func aRestartedBuilderTakesItsOwnBuildsUpAgain() async throws {
        try await withBuilderDatabase { pool, outbox in
            let request = try requests.request()
            try await deliver(request, to: consumer(pool, outbox))
            let store = BuildStore(pool: pool, outbox: outbox, worker: "one")
            _ = try await store.claim()
            try await BuildStore(pool: pool, outbox: outbox, worker: "two").recover()
            #expect(try await store.claim() == nil)
            try await store.recover()
            #expect(try await store.claim()?.attempt == 2)
        }
    }

    @Test func anInterruptedBuildDoesNotUseUpAnAttempt() async throws {
        try await withBuilderDatabase { pool, outbox in
            let request = try requests.request()
            try await deliver(request, to: consumer(pool, outbox))
            let store = BuildStore(pool: pool, outbox: outbox, worker: "one")
            _ = try await store.claim()
            try await store.release(request.build)
            #expect(try await store.claim()?.attempt == 1)
        }
    }

    @Test func oneIdentityIsBuiltOnceAtATime() async throws {
        try await withBuilderDatabase { pool, outbox in
            let intake = consumer(pool, outbox)
            let first = try requests.request(identity: "same")
            let second = try requests.request(identity: "same")
            try await deliver(first, to: intake)
            try await deliver(second, to: intake)
            let store = BuildStore(pool: pool, outbox: outbox, worker: "one")
            _ = try await store.claim()
            #expect(try await store.claim() == nil)
            let result = BuildResult.succeeded(
                image: FakeEngine.image, bytes: 5, wasReused: false, duration: .milliseconds(1_500))
            #expect(try await store.finish(first, result))
            #expect(try await store.image(of: "same") == FakeEngine.image)
            #expect(try await store.claim()?.request == second)
            let events = try await outboxEvents(BuildSucceeded.self, pool)
            #expect(events.map(\.build) == [first.build])
            #expect(events.first?.durationMilliseconds == 1_500)
        }
    }

    @Test func aQueuedBuildIsCancelledAtOnce() async throws {
        try await withBuilderDatabase { pool, outbox in
            let intake = consumer(pool, outbox)
            let request = try requests.request()
            try await deliver(request, to: intake)
            try await deliver(BuildCancelRequested(build: request.build), to: intake)
            let store = BuildStore(pool: pool, outbox: outbox, worker: "one")
            #expect(try await store.claim() == nil)
            #expect(try await outboxEvents(BuildFailed.self, pool).map(\.reason) == ["The build was cancelled."])
        }
    }

    @Test func aRunningBuildIsStoppedByItsBuilder() async throws {
        try await withBuilderDatabase { pool, outbox in
            try await withTemporaryFolder { folder in
                let intake = consumer(pool, outbox)
                let repository = try await Repository.make(in: folder, ["a": "1"])
                let request = try requests.request(repository)
                try await deliver(request, to: intake)
                let engine = FakeEngine(isEndless: true)
                let builder = try worker(pool, outbox, engine, folder, timeout: .seconds(600))
                let claim = try #require(try await builder.store.claim())
                let building = Task { await builder.carryOut(claim) }
                try await eventually("the build has begun") { !engine.builds.isEmpty }
                try await deliver(BuildCancelRequested(build: request.build), to: intake)
                builder.signal.raise()
                await building.value
                #expect(try await outboxEvents(BuildFailed.self, pool).map(\.reason) == ["The build was cancelled."])
            }
        }
    }

    @Test func aBuildThatTakesTooLongIsStoppedAndSaysSo() async throws {
        try await withBuilderDatabase { pool, outbox in
            try await withTemporaryFolder { folder in
                let repository = try await Repository.make(in: folder, ["a": "1"])
                try await deliver(try requests.request(repository), to: consumer(pool, outbox))
                let builder = try worker(pool, outbox, FakeEngine(isEndless: true), folder, timeout: .seconds(1))
                await builder.carryOut(try #require(try await builder.store.claim()))
                #expect(
                    try await outboxEvents(BuildFailed.self, pool).map(\.reason)
                        == [BuildFailure.timedOut(after: .seconds(1)).reason])
            }
        }
    }

    @Test func aShutdownPutsTheBuildBackIntoTheQueue() async throws {
        try await withBuilderDatabase { pool, outbox in
            try await withTemporaryFolder { folder in
                let repository = try await Repository.make(in: folder, ["a": "1"])
                let request = try requests.request(repository)
                try await deliver(request, to: consumer(pool, outbox))
                let engine = FakeEngine(isEndless: true)
                let builder = try worker(pool, outbox, engine, folder, timeout: .seconds(600))
                let claim = try #require(try await builder.store.claim())
                let building = Task { await builder.carryOut(claim) }
                try await eventually("the build has begun") { !engine.builds.isEmpty }
                building.cancel()
                await building.value
                #expect(try await builder.store.claim()?.attempt == 1)
            }
        }
    }

    @Test func aBuildThatTookItsBuilderDownThreeTimesIsGivenUp() async throws {
        try await withBuilderDatabase { pool, outbox in
            try await withTemporaryFolder { folder in
                let request = try requests.request()
                try await deliver(request, to: consumer(pool, outbox))
                let engine = FakeEngine()
                let builder = try worker(pool, outbox, engine, folder, timeout: .seconds(600))
                for _ in 0..<3 {
                    _ = try await builder.store.claim()
                    try await builder.store.recover()
                }
                await builder.carryOut(try #require(try await builder.store.claim()))
                #expect(engine.builds.isEmpty)
                #expect(
                    try await outboxEvents(BuildFailed.self, pool).map(\.reason) == [BuildFailure.abandoned.reason])
            }
        }
    }

    @Test(arguments: [false, true])
    func whatIsSaidOfABuildBelongsToTheTraceOfItsRequest(fails: Bool) async throws {
        try await withBuilderDatabase { pool, outbox in
            try await withTemporaryFolder { folder in
                let trace = TraceContext.root()
                let repository = try await Repository.make(in: folder, ["a": "1"])
                try await deliver(
                    try requests.request(repository), traceparent: trace.traceparent, to: consumer(pool, outbox))
                let bus = RecordingBus()
                let engine = FakeEngine(
                    lines: ["a line"], failure: fails ? EngineError(code: .refused, message: "no") : nil)
                let builder = try worker(pool, outbox, engine, folder, timeout: .seconds(600), bus: bus)
                // Taken up again by a process that has not seen the request.
                _ = try await builder.store.claim()
                try await builder.store.recover()
                await builder.carryOut(try #require(try await builder.store.claim()))
                let ends = try await pool.query("SELECT headers ->> 'traceparent' AS trace FROM outbox").map {
                    try $0.optionalString("trace")
                }
                #expect(ends.count == 1 && !bus.records.isEmpty)
                let traces = (ends + bus.records.map(\.traceparent)).compactMap {
                    $0.flatMap(TraceContext.init(traceparent:))
                }
                #expect(traces.count == ends.count + bus.records.count)
                #expect(traces.allSatisfy { $0.traceID == trace.traceID })
                #expect(Set(traces.map(\.parentID) + [trace.parentID]).count == traces.count + 1)
            }
        }
    }

    private func worker(
        _ pool: PostgresPool, _ outbox: Outbox, _ engine: FakeEngine, _ folder: String, timeout: Duration,
        bus: RecordingBus = RecordingBus()
    ) throws -> BuildWorker {
        let work = try WorkFolder(folder + "/work")
        let image = ImageBuild(
            engine: engine, bus: bus, key: requests.key, folder: work, cloudspace: "local", network: nil,
            protocols: ["file"], logger: testLogger)
        return BuildWorker(
            store: BuildStore(pool: pool, outbox: outbox, worker: work.worker), image: image, concurrency: 1,
            timeout: timeout, signal: Signal(), logger: testLogger)
    }
}
