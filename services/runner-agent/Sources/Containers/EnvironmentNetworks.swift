// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Logging

/// The network of each environment: there before its first container, gone after its last.
actor EnvironmentNetworks {
    private let engine: EngineClient
    private let cloudspace: String
    private let logger: Logger
    /// Creations under way. Two instances of an environment start together, and the engine would make two networks of
    /// one name. The tasks end by themselves within the engine client's deadlines.
    private var creations: [EnvironmentID: Task<Void, any Error>] = [:]

    init(engine: EngineClient, cloudspace: String, logger: Logger) {
        self.engine = engine
        self.cloudspace = cloudspace
        self.logger = logger
    }

    func ensure(_ environment: EnvironmentID) async throws {
        if let creation = creations[environment] { return try await creation.value }
        let engine = self.engine
        let labels = [Labels.cloudspace: cloudspace, Labels.environment: environment.rawValue]
        let creation = Task<Void, any Error> {
            _ = try await engine.createNetwork(name: Ownership.networkName(environment), labels: labels)
        }
        creations[environment] = creation
        defer { creations[environment] = nil }
        try await creation.value
    }

    /// Removes the network unless a container of the environment is left, of whatever host and state.
    func removeIfUnused(_ environment: EnvironmentID) async {
        guard creations[environment] == nil else { return }
        let labels = [Labels.cloudspace: cloudspace, Labels.environment: environment.rawValue]
        do {
            guard try await engine.listContainers(labels: labels, all: true).isEmpty, creations[environment] == nil
            else { return }
            try await engine.removeNetwork(Ownership.networkName(environment))
        } catch {
            // Found again at the next resync.
            logger.debug("network not removed", metadata: ["environment": "\(environment)", "error": "\(error)"])
        }
    }

    /// Environments that have a network on this engine.
    func known() async throws -> [EnvironmentID] {
        try await engine.listNetworks(labels: [Labels.cloudspace: cloudspace]).compactMap { network in
            network.labels[Labels.environment].map { EnvironmentID($0) }
        }
    }
}
