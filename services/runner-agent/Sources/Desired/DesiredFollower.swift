// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import ServiceLifecycle

/// Reads what this host is to run, and wakes the instances it concerns.
struct DesiredFollower: Service {
    let host: HostID
    let bus: any EventBus
    /// Makes the bus usable; tried until it succeeds.
    let prepare: @Sendable () async throws -> Void
    let store: AgentStore
    let queue: WorkQueue
    /// Called once all of the desired state has been read.
    let onCaughtUp: @Sendable () async throws -> Void
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.prepareBus() }
        try await bus.follow(.instancesDesired, partitionKey: host.rawValue) { event in
            switch event {
            case .record(let record): self.take(record)
            case .caughtUp: await self.catchUp()
            }
        }
    }

    private func prepareBus() async {
        var backOff = RunnerLimits.publishBackOffMin
        while !Task.isCancelled {
            do {
                try await prepare()
                return
            } catch {
                if Task.isCancelled { return }
                logger.warning("the bus is away, going on with what was last known", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, RunnerLimits.prepareBackOffMax)
            }
        }
    }

    /// Records of other hosts share the partition; one that cannot be read leaves what was known before.
    func take(_ record: Record) {
        let prefix = host.rawValue + "/"
        guard record.key.hasPrefix(prefix) else { return }
        let instance = InstanceID(String(record.key.dropFirst(prefix.count)))
        let trace = record.traceparent.flatMap(TraceContext.init(traceparent:))
        if record.value == nil {
            store.remove(instance, trace: trace)
        } else {
            do {
                let desired = try Event<InstanceDesired>(record).data
                guard desired.instance == instance, desired.host == host else {
                    logger.error("a desired instance does not match its key", metadata: ["key": "\(record.key)"])
                    return
                }
                store.want(desired, trace: trace)
            } catch {
                logger.error(
                    "a desired instance cannot be read and is left as it was",
                    metadata: ["key": "\(record.key)", "error": "\(error)"])
                return
            }
        }
        queue.wake(instance)
    }

    private func catchUp() async {
        for instance in store.catchUp() { queue.wake(instance) }
        do {
            try await onCaughtUp()
        } catch {
            // The engine is away; when it is back, everything is looked at anyway.
            logger.debug("resync failed", metadata: ["error": "\(error)"])
        }
    }
}
