// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events
import FoundationEssentials
import Logging
import Secrets
import Synchronization

/// Makes the container of an instance: image, network, secrets, and the container itself.
final class ContainerMaker: Sendable {
    /// The instance cannot be made from what was given; trying again is of no use.
    struct Impossible: Error, CustomStringConvertible {
        let description: String
    }

    private let engine: EngineClient
    private let networks: EnvironmentNetworks
    private let recipe: ContainerRecipe
    private let key: PrivateSealingKey
    private let logger: Logger
    /// Whether the engine's installation has an init; believed until a start shows otherwise.
    private let usesInit = Mutex(true)

    init(
        engine: EngineClient, networks: EnvironmentNetworks, recipe: ContainerRecipe, key: PrivateSealingKey,
        logger: Logger
    ) {
        self.engine = engine
        self.networks = networks
        self.recipe = recipe
        self.key = key
        self.logger = logger
    }

    /// Containers are made without init from now on.
    ///
    /// - Returns: whether they were made with one until now.
    func giveUpInit() -> Bool {
        let usedInit = usesInit.withLock { usesInit in
            defer { usesInit = false }
            return usesInit
        }
        if usedInit { logger.notice("the container engine has no docker-init: containers run without one") }
        return usedInit
    }

    /// - Throws: `Impossible`, or the engine's error.
    func make(_ desired: InstanceDesired) async throws {
        let secrets = try open(desired)
        async let network: Void = networks.ensure(desired.environment)
        try await ensureImage(desired.image)
        try await network
        let spec = recipe.spec(for: desired, secrets: secrets, usesInit: usesInit.withLock { $0 })
        let bytes = spec.environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 2 }
        guard bytes <= RunnerLimits.containerEnvironmentBytesMax else {
            throw Impossible(
                description: "the environment variables take \(bytes) bytes together, at most "
                    + "\(RunnerLimits.containerEnvironmentBytesMax) are possible: remove or shorten some")
        }
        _ = try await engine.createContainer(name: Ownership.containerName(desired.instance), spec)
    }

    private func open(_ desired: InstanceDesired) throws -> [String: String] {
        guard let sealed = desired.secrets else { return [:] }
        do {
            let text = try key.open(sealed, context: InstanceDesired.secretsContext(desired.instance))
            return try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        } catch let error as SealError {
            throw Impossible(description: "the secret variables cannot be opened on this host: \(error); deploy again")
        } catch {
            // What could not be decoded is secret: the error may show it.
            throw Impossible(description: "the secret variables are not a JSON object of texts; deploy again")
        }
    }

    private func ensureImage(_ reference: String) async throws {
        if try await engine.inspectImage(reference) != nil { return }
        guard !reference.hasPrefix("sha256:") else {
            throw Impossible(
                description: "the image \(reference) is not on the host any more: deploy a new commit to build one")
        }
        do {
            try await engine.pullImage(reference)
        } catch let error as EngineError where !error.isRetriable && !error.isDiskFull {
            throw Impossible(description: "the image \(reference) cannot be pulled: \(error.message)")
        }
    }
}
