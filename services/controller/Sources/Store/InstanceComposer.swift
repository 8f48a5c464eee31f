// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Secrets

/// Makes what an agent or builder is told, opening what is sealed to the controller and sealing it anew to the one
/// that needs it. Opened values live in local variables only.
struct InstanceComposer: Sendable {
    let key: PrivateSealingKey
    let builders: PublicSealingKey

    struct Credentials: Sendable {
        let service: ServiceInstanceID
        let url: Sealed
    }

    /// - Parameter services: credentials by the service's name in the manifest.
    func desired(
        _ instance: InstanceID, on host: HostObserved, role: InstanceView.Role, request: DeploymentRequested,
        image: String, services: [String: Credentials]
    ) throws -> InstanceDesired {
        let run = request.spec.run
        var plain = run.environment
        var secrets: [String: String] = [:]
        for (variable, name) in run.relationships {
            guard let credentials = services[name] else { continue }
            secrets[variable] = try key.open(
                credentials.url, context: ServiceProvisioned.context(credentials.service))
        }
        // What a user set wins over the file and over relationships, whichever form it has.
        for (name, variable) in request.variables {
            plain[name] = nil
            secrets[name] = nil
            switch variable.value {
            case .plain(let value): plain[name] = value
            case .sealed(let sealed):
                secrets[name] = try key.open(sealed, context: Variable.context(request.environment, name))
            }
        }
        for name in secrets.keys { plain[name] = nil }
        let sealed: Sealed? =
            secrets.isEmpty
            ? nil
            : try Sealed(
                JSON.text(secrets), to: host.sealingKey, context: InstanceDesired.secretsContext(instance))
        let desiredRole: InstanceDesired.Role =
            switch role {
            case .web: .web(run.web)
            case .release: .release(run.release ?? HookSpec(command: ["true"]))
            }
        return InstanceDesired(
            instance: instance, host: host.host, environment: request.environment, deployment: request.deployment,
            organisation: request.organisation, app: request.app, role: desiredRole, goal: .running, image: image,
            environmentVariables: plain, secrets: sealed, mounts: run.mounts, resources: run.resources)
    }

    func build(_ build: BuildID, for request: DeploymentRequested) throws -> BuildRequested {
        let context = SourceLocation.tokenContext(request.deployment)
        var source = request.source
        source.token = try reseal(source.token, context: context)
        var variables: [String: Variable.Value] = [:]
        for (name, variable) in request.variables where variable.visibleInBuild {
            switch variable.value {
            case .plain: variables[name] = variable.value
            case .sealed(let sealed):
                variables[name] = .sealed(try reseal(sealed, context: Variable.context(request.environment, name)))
            }
        }
        return BuildRequested(
            build: build, identity: request.buildIdentity, deployment: request.deployment,
            environment: request.environment, organisation: request.organisation, app: request.app, source: source,
            spec: request.spec.build, variables: variables)
    }

    private func reseal(_ sealed: Sealed, context: String) throws -> Sealed {
        try Sealed(key.open(sealed, context: context), to: builders, context: context)
    }
}
