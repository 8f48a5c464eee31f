// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import EventBus
import Events
import Logging
import ServiceLifecycle
import Synchronization

/// Reads the output of this host's containers as it is written and sends it to the bus.
///
/// Each container is read from where its lines were last published, so a restart of the agent neither loses nor repeats
/// lines, except those published in the last `RunnerLimits.logPositionsInterval` before a crash.
final class LogShipper: Service {
    private struct Reader {
        let subject: LogSubject
        var container: String
        /// The latest run of the container that is to be read, and the latest that has been read to its end.
        var wanted: Timestamp
        var finished: Timestamp?
        var isActive = false
        /// Nanoseconds since 1970 of what was read last.
        var readUpTo: Int64 = 0

        var needsReading: Bool { finished != wanted }
    }

    private let engine: EngineClient
    private let outlet: LogOutlet
    private let logger: Logger
    private let readers = Mutex<[InstanceID: Reader]>([:])
    private let bell = Signal()

    init(engine: EngineClient, outlet: LogOutlet, logger: Logger) {
        self.engine = engine
        self.outlet = outlet
        self.logger = logger
    }

    /// Reads the run of the container that began at `run`, if that is not done or under way.
    func follow(_ subject: LogSubject, container: String, run: Timestamp) {
        let isNew = readers.withLock { readers in
            var reader = readers[subject.instance] ?? Reader(subject: subject, container: container, wanted: run)
            if reader.container != container {
                reader.container = container
                reader.finished = nil
            }
            reader.wanted = run
            readers[subject.instance] = reader
            return reader.needsReading && !reader.isActive
        }
        if isNew { bell.raise() }
    }

    /// Waits until the ended container's output has been read and published, at most `RunnerLimits.logDrainMax`.
    func drain(_ instance: InstanceID) async {
        let end = ContinuousClock.now + RunnerLimits.logDrainMax
        while !Task.isCancelled {
            let count = outlet.progress.count
            let isRead = readers.withLock { readers in readers[instance].map { !$0.needsReading } ?? true }
            if isRead {
                if outlet.isEmpty(instance) { return }
                outlet.hurry(instance)
            }
            let left = end - ContinuousClock.now
            guard left > .zero else { return }
            await outlet.progress.wait(since: count, timeout: left)
        }
    }

    func forget(_ instance: InstanceID) {
        readers.withLock { $0[instance] = nil }
        outlet.forget(instance)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.outlet.publishUntilCancelled() }
                group.addTask { await self.outlet.savePositionsUntilCancelled() }
                while !Task.isCancelled {
                    let rings = self.bell.count
                    for instance in self.takeNew() {
                        group.addTask { await self.read(instance) }
                    }
                    await self.bell.wait(since: rings, timeout: .seconds(3_600))
                }
            }
        }
        _ = await within(RunnerLimits.lastFlushMax) { await self.outlet.publishAll() }
        await outlet.savePositions()
    }

    private func takeNew() -> [InstanceID] {
        readers.withLock { readers in
            let new = readers.filter { $0.value.needsReading && !$0.value.isActive }.map(\.key)
            for instance in new { readers[instance]?.isActive = true }
            return new
        }
    }

    /// Reads until the wanted run has ended or the instance is forgotten.
    private func read(_ instance: InstanceID) async {
        var backOff = RunnerLimits.engineBackOffMin
        while !Task.isCancelled, let reader = readers.withLock({ $0[instance] }), reader.needsReading {
            do {
                try await readOnce(reader)
                finish(instance, reader.container, run: reader.wanted)
                backOff = RunnerLimits.engineBackOffMin
            } catch let error as EngineError where error.code == .notFound {
                finish(instance, reader.container, run: reader.wanted)
            } catch {
                if Task.isCancelled { break }
                logger.debug(
                    "reading a container's output broke off, going on where it was",
                    metadata: ["instance": "\(instance)", "error": "\(error)"])
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, RunnerLimits.engineBackOffMax)
            }
        }
        update(instance) { $0.isActive = false }
        // A run that began between the last look and now is taken up by whoever looks next.
        bell.raise()
    }

    private func readOnce(_ reader: Reader) async throws {
        let readBefore = max(reader.readUpTo, outlet.position(of: reader.subject.instance))
        var assembly = LogAssembly(readBefore: readBefore)
        let since = readBefore > 0 ? Timestamp(microseconds: readBefore / 1_000) : nil
        try await engine.containerLogs(reader.container, follow: true, since: since) { chunk in
            let lines = assembly.append(chunk)
            guard !lines.isEmpty else { return }
            outlet.append(lines, of: reader.subject, now: .now())
            update(reader.subject.instance) { $0.readUpTo = chunk.nanoseconds }
        }
        outlet.append(assembly.finish(), of: reader.subject, now: .now())
    }

    private func finish(_ instance: InstanceID, _ container: String, run: Timestamp) {
        update(instance) { reader in
            if reader.container == container { reader.finished = run }
        }
        outlet.progress.raise()
    }

    /// Does nothing when the instance has been forgotten.
    private func update(_ instance: InstanceID, _ change: (inout Reader) -> Void) {
        readers.withLock { readers in
            guard var reader = readers[instance] else { return }
            change(&reader)
            readers[instance] = reader
        }
    }
}
