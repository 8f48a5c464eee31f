// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Logging
import ServiceLifecycle

/// Wakes instances when something happens to their containers, and all of them now and then and when the engine was
/// away: events are hints that can be lost.
struct EngineWatch: Service {
    let engine: EngineClient
    let status: EngineStatus
    let store: AgentStore
    let queue: WorkQueue
    let worker: InstanceWorker
    let networks: EnvironmentNetworks
    let ownership: Ownership
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.watch() }
                group.addTask { await self.resyncForever() }
            }
        }
    }

    private func watch() async {
        var backOff = RunnerLimits.engineBackOffMin
        while !Task.isCancelled {
            do {
                // What happens besides is either done by this agent or changes nothing for it.
                try await engine.events(
                    actions: ["die", "destroy"], labels: ownership.labels,
                    onConnected: {
                        backOff = RunnerLimits.engineBackOffMin
                        if status.isAnswering() { logger.info("the container engine answers") }
                        worker.engineCameBack()
                        try await resync()
                    }
                ) { event in
                    if let instance = event.attributes[Labels.instance] { queue.wake(InstanceID(instance)) }
                }
            } catch {
                if Task.isCancelled { return }
                if status.isAway("\(error)") {
                    logger.warning(
                        "the container engine is away: what runs is taken to be as it was",
                        metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, RunnerLimits.engineBackOffMax)
            }
        }
    }

    private func resyncForever() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: RunnerLimits.resyncInterval)
            if Task.isCancelled { return }
            do {
                try await resync()
            } catch {
                logger.debug("resync failed", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Looks at every instance that is known or has a container here.
    func resync() async throws {
        let containers = try await engine.listContainers(labels: ownership.labels, all: true)
        var instances = store.instances
        for container in containers {
            if let instance = container.labels[Labels.instance] { instances.insert(InstanceID(instance)) }
        }
        for instance in instances { queue.wake(instance) }
        // Before all of the desired state is known, an environment without containers may yet be wanted.
        guard store.isCaughtUp else { return }
        let occupied = Set(containers.compactMap { $0.labels[Labels.environment] })
        for environment in try await networks.known()
        where !occupied.contains(environment.rawValue) && !store.usesNetwork(of: environment) {
            await networks.removeIfUnused(environment)
        }
    }
}
