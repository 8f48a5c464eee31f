// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import EventBus
import Events
import FoundationEssentials
import Logging
import ServiceLifecycle

/// Tells the platform every few seconds that this host lives, and whether its engine does.
struct Heartbeat: Service {
    let identity: HostIdentity
    let name: String
    let address: String
    let engine: EngineClient
    let status: EngineStatus
    let bus: any EventBus
    let source: String
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var isPublished = true
            while !Task.isCancelled {
                await self.look()
                let count = self.status.changed.count
                do {
                    try await self.bus.publish([self.record(now: .now())])
                    isPublished = true
                } catch {
                    if isPublished, !Task.isCancelled {
                        self.logger.warning("heartbeats cannot be published", metadata: ["error": "\(error)"])
                    }
                    isPublished = false
                }
                // While the bus is away a beat is tried more often: the host is given work again the sooner.
                await self.status.changed.wait(
                    since: count,
                    timeout: isPublished ? HostObserved.heartbeatInterval : RunnerLimits.publishBackOffMax / 4)
            }
        }
    }

    private func look() async {
        do {
            if status.info == nil || !status.isUp {
                status.isAnswering(try await engine.info())
            } else {
                try await engine.ping()
                status.isAnswering()
            }
        } catch {
            if Task.isCancelled { return }
            if status.isAway("\(error)") {
                logger.warning("the container engine does not answer", metadata: ["error": "\(error)"])
            }
        }
    }

    private func record(now: Timestamp) throws -> Record {
        let info = status.info
        return try Event(
            source: source,
            data: HostObserved(
                host: identity.host, name: name, address: address, sealingKey: identity.key.publicKey,
                memoryBytes: info?.memoryBytes ?? 0, cpuMillis: (info?.cpus ?? 0) * 1_000, engineIsUp: status.isUp,
                agentVersion: RunnerLimits.agentVersion, heartbeatAt: now)
        ).record()
    }
}
