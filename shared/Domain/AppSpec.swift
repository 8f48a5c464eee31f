// SPDX-License-Identifier: Apache-2.0

/// What a commit's `slipway.yaml` says, validated and with every default filled in.
public struct AppSpec: Codable, Sendable, Hashable {
    public var build: BuildSpec
    public var run: RunSpec

    public init(build: BuildSpec, run: RunSpec) {
        self.build = build
        self.run = run
    }
}

/// The part of the manifest that decides what the image holds. Two commits with equal trees and equal `BuildSpec`s
/// have the same image.
public struct BuildSpec: Codable, Sendable, Hashable {
    public enum Source: Codable, Sendable, Hashable {
        /// A path inside the repository, without `..`, such as `Dockerfile` or `docker/web.Dockerfile`.
        case dockerfile(String)
        /// A language runtime and its version; the image is `<language>:<version>-slim`.
        case runtime(language: String, version: String)
    }

    public var source: Source
    /// Shell command that runs in the image after dependencies are installed; the file system is all it has.
    public var hook: String?

    public init(source: Source, hook: String? = nil) {
        self.source = source
        self.hook = hook
    }
}

/// The part of the manifest that decides how the image is run.
public struct RunSpec: Codable, Sendable, Hashable {
    public var web: WebSpec
    public var release: HookSpec?
    /// By the name the manifest gives them.
    public var services: [String: ServiceSpec]
    /// Environment variable that receives the service's URL, to the service's name.
    public var relationships: [String: String]
    /// How many instances of `web` run, 1 to `Limits.instancesMax`.
    public var instances: Int
    /// Values from the file. A variable of the same name that a user set in the panel wins.
    public var environment: [String: String]
    /// Writable places, by absolute path inside the container; everything else is read-only.
    public var mounts: [String: MountSpec]
    public var resources: ResourceSpec

    public init(
        web: WebSpec, release: HookSpec? = nil, services: [String: ServiceSpec] = [:],
        relationships: [String: String] = [:], instances: Int = 1, environment: [String: String] = [:],
        mounts: [String: MountSpec] = [:], resources: ResourceSpec = ResourceSpec()
    ) {
        self.web = web
        self.release = release
        self.services = services
        self.relationships = relationships
        self.instances = instances
        self.environment = environment
        self.mounts = mounts
        self.resources = resources
    }
}

public struct WebSpec: Codable, Sendable, Hashable {
    /// The program and its arguments; `nil` runs what the image names. A single string runs in `/bin/sh -c`.
    public var command: [String]?
    /// TCP port the program listens on inside the container, also given to it as `PORT`.
    public var port: Int
    public var health: HealthCheck
    /// Seconds between SIGTERM and SIGKILL when an instance is stopped.
    public var stopGraceSeconds: Int

    public init(command: [String]?, port: Int, health: HealthCheck = HealthCheck(), stopGraceSeconds: Int = 10) {
        self.command = command
        self.port = port
        self.health = health
        self.stopGraceSeconds = stopGraceSeconds
    }
}

/// An instance is ready once a GET of `path` answers 2xx or 3xx.
public struct HealthCheck: Codable, Sendable, Hashable {
    public var path: String
    public var intervalMilliseconds: Int
    public var timeoutMilliseconds: Int
    /// An instance that is not ready this long after its start has failed.
    public var deadlineMilliseconds: Int

    public init(
        path: String = "/", intervalMilliseconds: Int = 250, timeoutMilliseconds: Int = 5_000,
        deadlineMilliseconds: Int = 60_000
    ) {
        self.path = path
        self.intervalMilliseconds = intervalMilliseconds
        self.timeoutMilliseconds = timeoutMilliseconds
        self.deadlineMilliseconds = deadlineMilliseconds
    }
}

/// The release hook: run once per deployment, in a new container with services reachable, before anything starts.
public struct HookSpec: Codable, Sendable, Hashable {
    public var command: [String]
    public var timeoutSeconds: Int

    public init(command: [String], timeoutSeconds: Int = 300) {
        self.command = command
        self.timeoutSeconds = timeoutSeconds
    }
}

public struct ServiceSpec: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        case postgresql
    }

    public var kind: Kind
    public var version: String

    public init(kind: Kind, version: String) {
        self.kind = kind
        self.version = version
    }
}

/// A writable directory in memory that is empty in each new instance.
public struct MountSpec: Codable, Sendable, Hashable {
    public var sizeBytes: Int

    public init(sizeBytes: Int) { self.sizeBytes = sizeBytes }
}

public struct ResourceSpec: Codable, Sendable, Hashable {
    /// Hard memory limit of one instance.
    public var memoryBytes: Int
    /// Thousandths of a core one instance may use.
    public var cpuMillis: Int
    /// Processes and threads one instance may have.
    public var pidsMax: Int

    public init(memoryBytes: Int = 512 << 20, cpuMillis: Int = 1000, pidsMax: Int = 512) {
        self.memoryBytes = memoryBytes
        self.cpuMillis = cpuMillis
        self.pidsMax = pidsMax
    }
}

/// Limits that several services must agree on. Limits of one service stand in that service.
public enum Limits {
    public static let manifestBytesMax = 64 << 10
    public static let instancesMax = 32
    public static let environmentVariablesMax = 200
    public static let environmentValueBytesMax = 32 << 10
    /// One record on the bus, key and headers included.
    public static let eventBytesMax = 1 << 20
    /// One line of a build, release or application log; longer ones are cut.
    public static let logLineBytesMax = 16 << 10
}
