// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import EventBus
import Events
import Logging
import Secrets

/// Turns one request into an image.
struct ImageBuild: Sendable {
    enum Outcome: Sendable, Hashable {
        case ended(BuildResult)
        /// The task was cancelled; nothing is known of the image.
        case interrupted
    }

    let engine: any ImageEngine
    let bus: any EventBus
    let key: PrivateSealingKey
    let folder: WorkFolder
    let cloudspace: String
    /// Network of build steps; `nil` is the engine's default.
    let network: String?
    /// `http` and `https`, except in tests.
    var protocols = ["http", "https"]
    let logger: Logger

    static let identityLabel = "slipway.identity"

    /// - Parameter known: the image that the identity had when it was built last.
    /// - Returns: once everything that was logged is published or given up, and no file is left.
    func run(_ request: BuildRequested, known: String?) async -> Outcome {
        let log = BuildLog()
        let publisher = LogPublisher(
            bus: bus, source: BuilderService.source, environment: request.environment, deployment: request.deployment,
            logger: logger)
        // A task of its own, awaited below: what a cancelled build has said is to be read all the same.
        let publishing = Task { await publisher.run(log) }
        let started = ContinuousClock.now
        let result = await outcome(of: request, known: known, started: started, log)
        log.finish()
        await publishing.value
        return result
    }

    private func outcome(
        of request: BuildRequested, known: String?, started: ContinuousClock.Instant, _ log: BuildLog
    ) async -> Outcome {
        do {
            if let known, let image = try await patiently(log, { try await engine.inspectImage(known) }) {
                log.append("This commit was built before: its image is used again.")
                return .ended(Self.success(image, wasReused: true, since: started))
            }
            let image = try await build(request, log)
            return .ended(Self.success(image, wasReused: false, since: started))
        } catch let failure as BuildFailure {
            return ended(failure, log)
        } catch let error as EngineError {
            return ended(BuildFailure.ofEngine(error, log.ending), log)
        } catch is CancellationError {
            return .interrupted
        } catch {
            if Task.isCancelled { return .interrupted }
            logger.error(
                "a build failed for an unexpected reason",
                metadata: ["build": "\(request.build)", "error": "\(log.redact("\(error)"))"])
            return ended(BuildFailure("The build failed for a reason that only the platform's log tells."), log)
        }
    }

    private static func success(
        _ image: ImageInfo, wasReused: Bool, since started: ContinuousClock.Instant
    ) -> BuildResult {
        .succeeded(
            image: image.id, bytes: image.sizeBytes, wasReused: wasReused, duration: ContinuousClock.now - started)
    }

    private func ended(_ failure: BuildFailure, _ log: BuildLog) -> Outcome {
        if Task.isCancelled { return .interrupted }
        return .ended(.failed(reason: LogText.cut(log.redact(failure.reason), to: BuilderLimits.reasonBytesMax)))
    }

    private func build(_ request: BuildRequested, _ log: BuildLog) async throws -> ImageInfo {
        let (token, variables) = try secrets(of: request, log)
        let place = try folder.create(for: request.build)
        defer { folder.remove(place) }
        let source = try await withinLimits(folder: place, limit: BuilderLimits.gitCommandMax) {
            let source = try await SourceTree.fetch(
                request.source, token: token, into: place, protocols: protocols, note: { log.append($0) })
            log.append("Fetched commit \(request.source.commit.prefix(12)).")
            return source
        }
        let dockerfile = try await withinLimits(folder: place, limit: BuilderLimits.gitCommandMax) {
            try await prepareContext(source, request.spec, arguments: Array(variables.keys))
        }
        let options = BuildOptions(
            dockerfile: dockerfile, tag: Self.tag(of: request), buildArguments: variables,
            labels: ["slipway.cloudspace": cloudspace, Self.identityLabel: request.identity],
            memoryBytes: BuilderLimits.stepMemoryBytesMax, networkMode: network)
        let image: String
        do {
            image = try await patiently(log) {
                try await engine.buildImage(contextPath: source.contextPath, options: options) { log.append($0) }
            }
        } catch let error as EngineError where !error.isRetriable {
            throw await withoutBase(request.spec, error) ?? error
        }
        guard let info = try await patiently(log, { try await engine.inspectImage(image) }) else {
            throw BuildFailure("The image was removed as soon as it was built: deploy again.")
        }
        return info
    }

    /// A build fails where its base image cannot be had: its developer is told of those that can.
    ///
    /// - Returns: `nil` when the base image is there, or the engine does not tell: then the build failed otherwise.
    private func withoutBase(_ spec: BuildSpec, _ error: EngineError) async -> BuildFailure? {
        // With a status it is a step that failed, and steps run on a base image.
        guard case .runtime(let language, let version) = spec.source, error.status == nil else { return nil }
        do {
            if try await engine.inspectImage(RuntimeDockerfile.base(language, version)) != nil { return nil }
            let tags = try await engine.listImages(reference: RuntimeDockerfile.base(language, "*")).flatMap(\.tags)
            let suffix = RuntimeDockerfile.baseSuffix
            let runtimes = tags.filter { $0.hasPrefix("\(language):") && $0.hasSuffix(suffix) }
                .map { String($0.dropLast(suffix.count)) }
            return .withoutBase(
                "\(language):\(version)", language: language, runtimes: Set(runtimes).sorted(),
                complaint: error.message)
        } catch {
            return nil
        }
    }

    /// `slipway/<organisation>/<app>:<first 16 of the identity>`
    static func tag(of request: BuildRequested) -> String {
        "slipway/\(request.organisation)/\(request.app):\(request.identity.prefix(16))"
    }

    /// Opens what is sealed to the builders, and hides it from the log at once.
    private func secrets(of request: BuildRequested, _ log: BuildLog) throws -> (String, [String: String]) {
        guard request.variables.count <= BuilderLimits.variablesMax else {
            throw BuildFailure(
                "Builds see at most \(BuilderLimits.variablesMax) variables: make fewer of them visible to builds.")
        }
        do {
            let token = try key.open(request.source.token, context: SourceLocation.tokenContext(request.deployment))
            var hidden = [token, GitInvocation.basic(token)]
            var variables: [String: String] = [:]
            for (name, value) in request.variables {
                switch value {
                case .plain(let text): variables[name] = text
                case .sealed(let sealed):
                    let text = try key.open(sealed, context: Variable.context(request.environment, name))
                    variables[name] = text
                    hidden.append(text)
                }
            }
            log.hide(hidden)
            return (token, variables)
        } catch let error as SealError {
            throw BuildFailure(
                "The builder cannot read this build's secrets (\(error)): its operator has to check its key.")
        }
    }

    /// - Returns: the Dockerfile's path inside the context.
    private func prepareContext(
        _ source: SourceTree, _ spec: BuildSpec, arguments: [String]
    ) async throws -> String {
        switch spec.source {
        case .dockerfile(let path):
            guard Self.isInside(path), try await source.kind(of: path) == "blob" else {
                throw BuildFailure(
                    "There is no file \(LogText.cut(LogText.clean(path), to: 200)) in the commit: correct "
                        + "build.dockerfile in slipway.yaml.")
            }
            try await source.archive(adding: [])
            return path
        case .runtime(let language, let version):
            let present = try await source.present(RuntimeDockerfile.Files.names)
            var files = RuntimeDockerfile.Files(
                hasRequirements: present.contains("requirements.txt"), hasPackage: present.contains("package.json"),
                hasPackageLock: present.contains("package-lock.json"))
            if language == "python", files.hasRequirements {
                let requirements = try await source.text(of: "requirements.txt")
                files.isRequirementsAlone = requirements.map(Requirements.isAlone) ?? false
            }
            let dockerfile = RuntimeDockerfile(
                language: language, version: version, hook: spec.hook, arguments: arguments, files: files)
            try await source.archive(adding: [(RuntimeDockerfile.path, dockerfile.text())])
            return RuntimeDockerfile.path
        }
    }

    static func isInside(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.unicodeScalars.contains { $0.value < 0x20 }
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    /// An engine that does not answer is asked again for a while: it may be restarting.
    private func patiently<Result: Sendable>(
        _ log: BuildLog, _ operation: () async throws -> Result
    ) async throws -> Result {
        let end = ContinuousClock.now + BuilderLimits.outageMax
        var pause = BuilderLimits.outageBackOffMin
        while true {
            do {
                return try await operation()
            } catch let error as EngineError where error.isRetriable && ContinuousClock.now + pause < end {
                logger.warning("the container engine cannot be reached", metadata: ["error": "\(error)"])
                log.append("The container engine cannot be reached at the moment, trying again.")
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, BuilderLimits.outageBackOffMax)
        }
    }
}
