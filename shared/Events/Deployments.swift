// SPDX-License-Identifier: Apache-2.0
import Domain
import Secrets

/// What the users of an environment want of it. A tombstone asks for everything of the environment to be removed.
public struct EnvironmentDesired: EventPayload, Hashable {
    public static let type = "environment.desired.v1"
    public static let topic = Topic.environments
    public var key: String { environment.rawValue }

    public var environment: EnvironmentID
    public var organisation: String
    public var app: String
    public var name: String
    /// The hostname the environment answers on.
    public var hostname: String

    public init(environment: EnvironmentID, organisation: String, app: String, name: String, hostname: String) {
        self.environment = environment
        self.organisation = organisation
        self.app = app
        self.name = name
        self.hostname = hostname
    }
}

/// Where a builder gets the commit.
public struct SourceLocation: Codable, Sendable, Hashable {
    /// Git over HTTP.
    public var url: String
    public var commit: String
    /// Tree of the commit, 40 or 64 hexadecimal digits: part of the build's identity.
    public var tree: String
    /// Short-lived token that may read this repository only, sealed to the reader. Context: `source/<deployment>`.
    public var token: Sealed

    public init(url: String, commit: String, tree: String, token: Sealed) {
        self.url = url
        self.commit = commit
        self.tree = tree
        self.token = token
    }

    public static func tokenContext(_ deployment: DeploymentID) -> String { "source/\(deployment)" }
}

/// A variable that a user set. Context of a sealed one: `<environment>/<NAME>`.
public struct Variable: Codable, Sendable, Hashable {
    public enum Value: Codable, Sendable, Hashable {
        case plain(String)
        case sealed(Sealed)
    }

    public var value: Value
    /// Builds see it as well as instances.
    public var visibleInBuild: Bool
    /// Changes whenever the value does, so that a build's identity can depend on a value nobody can read.
    public var revision: Int

    public init(value: Value, visibleInBuild: Bool, revision: Int) {
        self.value = value
        self.visibleInBuild = visibleInBuild
        self.revision = revision
    }

    public static func context(_ environment: EnvironmentID, _ name: String) -> String { "\(environment)/\(name)" }
}

/// A deployment was asked for: everything needed to carry it out, whatever has changed in the panel since.
public struct DeploymentRequested: EventPayload, Hashable {
    public static let type = "deployment.requested.v1"
    public static let topic = Topic.deployments
    public var key: String { environment.rawValue }

    public enum Kind: String, Codable, Sendable, Hashable {
        case push, redeploy, rollback, variables
    }

    public var deployment: DeploymentID
    public var environment: EnvironmentID
    public var organisation: String
    public var app: String
    public var environmentName: String
    public var hostname: String
    public var kind: Kind
    public var source: SourceLocation
    public var spec: AppSpec
    public var variables: [String: Variable]
    /// Hash of the tree and everything build-relevant; equal identities have one image.
    public var buildIdentity: String
    /// Set by a rollback: the image of the release that becomes current again, so that nothing is built.
    public var image: String?

    public init(
        deployment: DeploymentID, environment: EnvironmentID, organisation: String, app: String,
        environmentName: String, hostname: String, kind: Kind, source: SourceLocation, spec: AppSpec,
        variables: [String: Variable], buildIdentity: String, image: String?
    ) {
        self.deployment = deployment
        self.environment = environment
        self.organisation = organisation
        self.app = app
        self.environmentName = environmentName
        self.hostname = hostname
        self.kind = kind
        self.source = source
        self.spec = spec
        self.variables = variables
        self.buildIdentity = buildIdentity
        self.image = image
    }
}

/// A user asked for a running or queued deployment to end.
public struct DeploymentCancelRequested: EventPayload, Hashable {
    public static let type = "deployment.cancel-requested.v1"
    public static let topic = Topic.deployments
    public var key: String { environment.rawValue }

    public var deployment: DeploymentID
    public var environment: EnvironmentID

    public init(deployment: DeploymentID, environment: EnvironmentID) {
        self.deployment = deployment
        self.environment = environment
    }
}

/// The stages of a deployment, in order. More may come: events carry them as `Open`.
public enum DeploymentStage: String, Codable, Sendable, Hashable, CaseIterable {
    case queued, build, provision, place, release, start, switching = "switch", drain, finished
}

/// A deployment entered a stage.
public struct DeploymentProgressed: EventPayload, Hashable {
    public static let type = "deployment.progressed.v1"
    public static let topic = Topic.deployments
    public var key: String { environment.rawValue }

    public var deployment: DeploymentID
    public var environment: EnvironmentID
    public var stage: Open<DeploymentStage>
    /// One line for the developer.
    public var message: String
    /// Counts up within the deployment: the order to show messages in.
    public var sequence: Int

    public init(
        deployment: DeploymentID, environment: EnvironmentID, stage: DeploymentStage, message: String, sequence: Int
    ) {
        self.deployment = deployment
        self.environment = environment
        self.stage = Open(stage)
        self.message = message
        self.sequence = sequence
    }
}

/// The deployment is live and is the environment's current release.
public struct DeploymentSucceeded: EventPayload, Hashable {
    public static let type = "deployment.succeeded.v1"
    public static let topic = Topic.deployments
    public var key: String { environment.rawValue }

    public var deployment: DeploymentID
    public var environment: EnvironmentID
    public var image: String
    public var imageWasReused: Bool
    public var instances: [InstanceID]

    public init(
        deployment: DeploymentID, environment: EnvironmentID, image: String, imageWasReused: Bool,
        instances: [InstanceID]
    ) {
        self.deployment = deployment
        self.environment = environment
        self.image = image
        self.imageWasReused = imageWasReused
        self.instances = instances
    }
}

/// The deployment ended without effect; what ran before goes on running.
public struct DeploymentFailed: EventPayload, Hashable {
    public static let type = "deployment.failed.v1"
    public static let topic = Topic.deployments
    public var key: String { environment.rawValue }

    public var deployment: DeploymentID
    public var environment: EnvironmentID
    public var stage: Open<DeploymentStage>
    /// What went wrong and what to do, for the developer.
    public var reason: String
    public var wasCancelled: Bool

    public init(
        deployment: DeploymentID, environment: EnvironmentID, stage: DeploymentStage, reason: String,
        wasCancelled: Bool = false
    ) {
        self.deployment = deployment
        self.environment = environment
        self.stage = Open(stage)
        self.reason = reason
        self.wasCancelled = wasCancelled
    }
}
