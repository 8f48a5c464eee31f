// SPDX-License-Identifier: Apache-2.0
import Domain
import Secrets

/// An image is wanted for a build identity that has none yet.
public struct BuildRequested: EventPayload, Hashable {
    public static let type = "build.requested.v1"
    public static let topic = Topic.builds
    public var key: String { build.rawValue }

    public var build: BuildID
    public var identity: String
    public var deployment: DeploymentID
    public var environment: EnvironmentID
    public var organisation: String
    public var app: String
    /// The token is sealed to the builders.
    public var source: SourceLocation
    public var spec: BuildSpec
    /// Variables visible in builds; sealed values are sealed to the builders.
    public var variables: [String: Variable.Value]

    public init(
        build: BuildID, identity: String, deployment: DeploymentID, environment: EnvironmentID, organisation: String,
        app: String, source: SourceLocation, spec: BuildSpec, variables: [String: Variable.Value]
    ) {
        self.build = build
        self.identity = identity
        self.deployment = deployment
        self.environment = environment
        self.organisation = organisation
        self.app = app
        self.source = source
        self.spec = spec
        self.variables = variables
    }
}

/// Nobody waits for this build any more.
public struct BuildCancelRequested: EventPayload, Hashable {
    public static let type = "build.cancel-requested.v1"
    public static let topic = Topic.builds
    public var key: String { build.rawValue }

    public var build: BuildID

    public init(build: BuildID) { self.build = build }
}

public struct BuildSucceeded: EventPayload, Hashable {
    public static let type = "build.succeeded.v1"
    public static let topic = Topic.builds
    public var key: String { build.rawValue }

    public var build: BuildID
    public var identity: String
    public var deployment: DeploymentID
    /// Content address the engine resolves: `sha256:…`, or `registry/name@sha256:…`.
    public var image: String
    public var imageBytes: Int
    /// The identity was known and nothing was built.
    public var wasReused: Bool
    public var durationMilliseconds: Int

    public init(
        build: BuildID, identity: String, deployment: DeploymentID, image: String, imageBytes: Int, wasReused: Bool,
        durationMilliseconds: Int
    ) {
        self.build = build
        self.identity = identity
        self.deployment = deployment
        self.image = image
        self.imageBytes = imageBytes
        self.wasReused = wasReused
        self.durationMilliseconds = durationMilliseconds
    }
}

public struct BuildFailed: EventPayload, Hashable {
    public static let type = "build.failed.v1"
    public static let topic = Topic.builds
    public var key: String { build.rawValue }

    public var build: BuildID
    public var identity: String
    public var deployment: DeploymentID
    /// What went wrong and what to do, for the developer.
    public var reason: String

    public init(build: BuildID, identity: String, deployment: DeploymentID, reason: String) {
        self.build = build
        self.identity = identity
        self.deployment = deployment
        self.reason = reason
    }
}
