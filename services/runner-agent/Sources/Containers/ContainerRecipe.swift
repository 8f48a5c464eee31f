// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events

/// What a desired instance looks like as a container. Everything an application does not need is taken away.
struct ContainerRecipe: Sendable {
    let ownership: Ownership
    /// Host address on which ports are published.
    let address: String

    /// - Parameter secrets: opened; they go into the container's environment and nowhere else.
    func spec(for desired: InstanceDesired, secrets: [String: String], usesInit: Bool) -> ContainerSpec {
        var spec = ContainerSpec(image: desired.image)
        spec.labels = ownership.labels(for: desired)
        spec.environment = environment(for: desired, secrets: secrets)
        spec.networkMode = Ownership.networkName(desired.environment)
        spec.temporaryDirectories = ["/tmp": RunnerLimits.temporaryBytes]
        for (path, mount) in desired.mounts { spec.temporaryDirectories[path] = mount.sizeBytes }
        spec.memoryBytes = desired.resources.memoryBytes
        spec.cpuMillis = desired.resources.cpuMillis
        spec.pidsMax = desired.resources.pidsMax
        spec.isRootReadOnly = true
        spec.allowsNewPrivileges = false
        spec.droppedCapabilities = ["ALL"]
        spec.usesInit = usesInit
        spec.logFileBytesMax = RunnerLimits.logFileBytesMax
        spec.stopGraceSeconds = desired.stopGraceSeconds
        // The command is the program to run: an entry point of the image must not take it as its arguments.
        switch desired.role {
        case .web(let web):
            spec.entrypoint = web.command
            spec.publishedPorts = [.init(containerPort: web.port, hostAddress: address)]
        case .release(let hook):
            spec.entrypoint = hook.command
        }
        return spec
    }

    private func environment(for desired: InstanceDesired, secrets: [String: String]) -> [String: String] {
        var environment = desired.environmentVariables
        environment.merge(secrets) { $1 }
        // The platform's own values last: the port is where the instance is looked for.
        if case .web(let web) = desired.role { environment["PORT"] = String(web.port) }
        environment["SLIPWAY_APP"] = "\(desired.organisation)/\(desired.app)"
        environment["SLIPWAY_ENVIRONMENT"] = desired.environment.rawValue
        environment["SLIPWAY_DEPLOYMENT"] = desired.deployment.rawValue
        environment["SLIPWAY_INSTANCE"] = desired.instance.rawValue
        return environment
    }
}
