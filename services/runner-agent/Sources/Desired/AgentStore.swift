// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Shares the agent's state and keeps it on disk, so that an agent that restarts without the bus goes on with what it
/// last knew.
final class AgentStore: Service {
    private struct Contents {
        var state: AgentState
        var version = 0
    }

    private let path: String
    private let logger: Logger
    private let contents: Mutex<Contents>
    private let changed = Signal()
    /// The version on disk. Held while writing, on threads that may block.
    private let written = Mutex(0)

    /// A snapshot that cannot be read is put aside: what runs is found from labels, what is desired from the bus.
    init(path: String, logger: Logger) throws {
        self.path = path
        self.logger = logger
        var state = AgentState()
        if let data = try DurableFile.read(path) {
            do {
                state = AgentState(try JSONDecoder().decode(AgentState.Snapshot.self, from: data))
            } catch {
                logger.error("the snapshot of desired instances is damaged, put aside", metadata: ["path": "\(path)"])
                try DurableFile.write(data, to: path + ".damaged")
            }
        }
        contents = Mutex(Contents(state: state))
    }

    func intent(for instance: InstanceID) -> Intent { contents.withLock { $0.state.intent(for: instance) } }
    func note(on instance: InstanceID) -> InstanceNote {
        contents.withLock { $0.state.notes[instance] ?? InstanceNote() }
    }
    func trace(of instance: InstanceID) -> TraceContext? { contents.withLock { $0.state.traces[instance] } }
    func usesNetwork(of environment: EnvironmentID) -> Bool {
        contents.withLock { $0.state.usesNetwork(of: environment) }
    }
    var instances: Set<InstanceID> { contents.withLock { $0.state.instances } }
    var isCaughtUp: Bool { contents.withLock { $0.state.isCaughtUp } }

    func want(_ instance: InstanceDesired, trace: TraceContext? = nil) {
        change { state in
            state.want(instance, trace: trace)
            return true
        }
    }

    func remove(_ instance: InstanceID, trace: TraceContext? = nil) { change { $0.remove(instance, trace: trace) } }

    func catchUp() -> [InstanceID] {
        var stale: [InstanceID] = []
        change { state in
            stale = state.catchUp()
            return !stale.isEmpty
        }
        return stale
    }

    func forget(_ instance: InstanceID) { change { $0.forget(instance) } }

    func note(_ instance: InstanceID, _ change: (inout InstanceNote) -> Void) {
        self.change { $0.note(instance, change) }
    }

    /// Notes that a release hook is about to start. On disk when this returns.
    func noteLaunch(_ instance: InstanceID) async throws {
        note(instance) { $0.isLaunched = true }
        try await save()
    }

    private func change(_ body: (inout AgentState) -> Bool) {
        let hasChanged = contents.withLock { contents in
            let hasChanged = body(&contents.state)
            if hasChanged { contents.version += 1 }
            return hasChanged
        }
        if hasChanged { changed.raise() }
    }

    // MARK: Keeping

    private func save() async throws {
        try await NIOThreadPool.singleton.runIfActive { try self.saveBlocking() }
    }

    private func saveBlocking() throws {
        try written.withLock { written in
            let (snapshot, version) = contents.withLock { ($0.state.snapshot, $0.version) }
            guard version != written else { return }
            try DurableFile.write(try JSONEncoder().encode(snapshot), to: path)
            written = version
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = RunnerLimits.retryBackOffMin
            while !Task.isCancelled {
                let count = self.changed.count
                do {
                    try await self.save()
                    backOff = RunnerLimits.retryBackOffMin
                    await self.changed.wait(since: count, timeout: .seconds(3_600))
                } catch is CancellationError {
                    return
                } catch {
                    self.logger.error(
                        "the snapshot of desired instances cannot be written", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, RunnerLimits.retryBackOffMax)
                }
            }
        }
        do {
            try await save()
        } catch {
            logger.error("the snapshot of desired instances cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
