// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Glibc
import Logging
import Secrets
import TestSupport
import Testing

@testable import RunnerAgent

@Suite struct AgentStateTests {
    let one = InstanceID("ins_1")
    let two = InstanceID("ins_2")

    @Test func unknownContainersAreLeftAloneUntilAllOfTheDesiredStateIsRead() {
        var state = AgentState()
        #expect(state.intent(for: one) == .unknown)
        _ = state.catchUp()
        #expect(state.intent(for: one) == .remove(nil))
    }

    @Test func whatIsOnlyRememberedFromBeforeIsRemovedOnceCaughtUp() {
        var before = AgentState()
        before.want(Sample.web("ins_1"))
        before.want(Sample.web("ins_2"))
        var state = AgentState(before.snapshot)
        #expect(state.intent(for: one) == .run(Sample.web("ins_1")))
        state.want(Sample.web("ins_2"))
        #expect(state.catchUp() == [one])
        #expect(state.intent(for: one) == .remove(Sample.web("ins_1")))
        #expect(state.intent(for: two) == .run(Sample.web("ins_2")))
        #expect(state.catchUp() == [])
    }

    @Test func tombstonesOfLongAgoAreNoWork() {
        var state = AgentState()
        let isWork = state.remove(one)
        #expect(!isWork)
        #expect(state.intent(for: one) == .unknown)
    }

    @Test func tombstoneOfAKnownInstanceIsRemembered() {
        var state = AgentState()
        state.want(Sample.web())
        let isWork = state.remove(one)
        #expect(isWork)
        #expect(state.intent(for: one) == .remove(Sample.web()))
        #expect(AgentState(state.snapshot).intent(for: one) == .remove(nil))
        let forgotten = [state.forget(one), state.forget(one)]
        #expect(forgotten == [true, false])
    }

    @Test func wantedInstanceIsNotForgotten() {
        var state = AgentState()
        state.want(Sample.web())
        let isForgotten = state.forget(one)
        #expect(!isForgotten)
        #expect(state.intent(for: one) == .run(Sample.web()))
    }

    @Test func notesSurviveTheSnapshot() throws {
        var state = AgentState()
        let first = state.note(one) { $0.outcome = .failed(reason: "x") }
        let second = state.note(one) { $0.outcome = .failed(reason: "x") }
        #expect(first && !second)
        let data = try JSONEncoder().encode(state.snapshot)
        let read = AgentState(try JSONDecoder().decode(AgentState.Snapshot.self, from: data))
        #expect(read.notes == state.notes)
    }

    @Test func tracesSurviveTheSnapshotAndTheRemovalUntilTheInstanceIsForgotten() throws {
        let (trace, last) = (TraceContext.root(), TraceContext.root())
        var state = AgentState()
        state.want(Sample.web("ins_1"), trace: trace)
        state.want(Sample.web("ins_2"), trace: trace)
        let data = try JSONEncoder().encode(state.snapshot)
        var read = AgentState(try JSONDecoder().decode(AgentState.Snapshot.self, from: data))
        #expect(read.traces == [one: trace, two: trace])
        read.remove(one)
        read.remove(two, trace: last)
        #expect(read.traces == [one: trace, two: last])
        let isForgotten = read.forget(one)
        #expect(isForgotten && read.traces == [two: last])
    }

    @Test func aSnapshotOfAnEarlierVersionIsRead() throws {
        struct Earlier: Encodable {
            var desired = [Sample.web()]
            var removed: [InstanceID] = []
            var notes: [InstanceID: InstanceNote] = [:]
        }
        let old = try JSONEncoder().encode(Earlier())
        let read = AgentState(try JSONDecoder().decode(AgentState.Snapshot.self, from: old))
        #expect(read.intent(for: one) == .run(Sample.web()))
        #expect(read.traces.isEmpty)
    }

    @Test func networkIsUsedWhileAnInstanceIsToRun() {
        var state = AgentState()
        state.want(Sample.web())
        #expect(state.usesNetwork(of: EnvironmentID("env_1")))
        state.want(Sample.web(goal: .stopped))
        #expect(!state.usesNetwork(of: EnvironmentID("env_1")))
    }
}

@Suite struct AgentStoreTests {
    private let logger = Logger(label: "test")

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = try Sample.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    @Test func launchIsOnDiskWhenNoted() async throws {
        try await withFolder { folder in
            let store = try AgentStore(path: folder + "/state.json", logger: logger)
            store.want(Sample.release())
            try await store.noteLaunch(InstanceID("ins_1"))
            let again = try AgentStore(path: folder + "/state.json", logger: logger)
            #expect(again.note(on: InstanceID("ins_1")).isLaunched)
            #expect(again.intent(for: InstanceID("ins_1")) == .run(Sample.release()))
        }
    }

    @Test func damagedSnapshotIsPutAside() async throws {
        try await withFolder { folder in
            try Data("{half".utf8).write(to: URL(filePath: folder + "/state.json"))
            let store = try AgentStore(path: folder + "/state.json", logger: logger)
            #expect(store.instances.isEmpty)
            #expect(FileManager.default.fileExists(atPath: folder + "/state.json.damaged"))
        }
    }

    @Test func identityIsKeptAcrossStarts() async throws {
        try await withFolder { folder in
            let first = try HostIdentity.load(from: folder + "/agent")
            let second = try HostIdentity.load(from: folder + "/agent")
            #expect(first.host == second.host)
            #expect(first.key.publicKey == second.key.publicKey)
        }
    }

    @Test func damagedOrOpenKeyIsNamedInsteadOfReplaced() async throws {
        try await withFolder { folder in
            _ = try HostIdentity.load(from: folder)
            let path = folder + "/sealing.key"
            try DurableFile.write(Data("not a key\n".utf8), to: path)
            #expect(throws: HostIdentity.Damaged.self) { try HostIdentity.load(from: folder) }
            try FileManager.default.removeItem(atPath: path)
            try Data(PrivateSealingKey().base64.utf8).write(to: URL(filePath: path))
            #expect(chmod(path, 0o644) == 0)
            #expect(throws: HostIdentity.Damaged.self) { try HostIdentity.load(from: folder) }
        }
    }

    @Test func recordsOfOtherHostsAndDamagedOnesChangeNothing() async throws {
        try await withFolder { folder in
            let store = try AgentStore(path: folder + "/state.json", logger: logger)
            let follower = DesiredFollower(
                host: Sample.host, bus: SilentBus(), prepare: {}, store: store, queue: WorkQueue(), onCaughtUp: {},
                logger: logger)
            let trace = TraceContext.root()
            let mine = try Event(source: "/test", traceparent: trace.traceparent, data: Sample.web()).record()
            var others = mine
            others.key = "hst_2/ins_9"
            follower.take(others)
            #expect(store.instances.isEmpty)
            follower.take(mine)
            #expect(store.instances == [InstanceID("ins_1")])
            #expect(store.trace(of: InstanceID("ins_1")) == trace)
            var damaged = mine
            damaged.value = Data("{}".utf8)
            follower.take(damaged)
            #expect(store.intent(for: InstanceID("ins_1")) == .run(Sample.web()))
            var tombstone = mine
            tombstone.value = nil
            follower.take(tombstone)
            #expect(store.intent(for: InstanceID("ins_1")) == .remove(Sample.web()))
        }
    }
}
