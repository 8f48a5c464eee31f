// SPDX-License-Identifier: Apache-2.0
import Domain
import Secrets

/// An environment's manifest declares a service that it does not have yet.
public struct ServiceRequested: EventPayload, Hashable {
    public static let type = "service.requested.v1"
    public static let topic = Topic.services
    public var key: String { service.rawValue }

    public var service: ServiceInstanceID
    public var environment: EnvironmentID
    public var organisation: String
    public var app: String
    /// The name the manifest gives it.
    public var name: String
    public var spec: ServiceSpec

    public init(
        service: ServiceInstanceID, environment: EnvironmentID, organisation: String, app: String, name: String,
        spec: ServiceSpec
    ) {
        self.service = service
        self.environment = environment
        self.organisation = organisation
        self.app = app
        self.name = name
        self.spec = spec
    }
}

public struct ServiceProvisioned: EventPayload, Hashable {
    public static let type = "service.provisioned.v1"
    public static let topic = Topic.services
    public var key: String { service.rawValue }

    public var service: ServiceInstanceID
    public var environment: EnvironmentID
    /// The URL with credentials, sealed to the controller. Context: `service/<service>`.
    public var url: Sealed

    public init(service: ServiceInstanceID, environment: EnvironmentID, url: Sealed) {
        self.service = service
        self.environment = environment
        self.url = url
    }

    public static func context(_ service: ServiceInstanceID) -> String { "service/\(service)" }
}

public struct ServiceFailed: EventPayload, Hashable {
    public static let type = "service.failed.v1"
    public static let topic = Topic.services
    public var key: String { service.rawValue }

    public var service: ServiceInstanceID
    public var environment: EnvironmentID
    public var reason: String

    public init(service: ServiceInstanceID, environment: EnvironmentID, reason: String) {
        self.service = service
        self.environment = environment
        self.reason = reason
    }
}

/// The environment is gone: its service and the data in it are to be removed.
public struct ServiceRemovalRequested: EventPayload, Hashable {
    public static let type = "service.removal-requested.v1"
    public static let topic = Topic.services
    public var key: String { service.rawValue }

    public var service: ServiceInstanceID

    public init(service: ServiceInstanceID) { self.service = service }
}

public struct ServiceRemoved: EventPayload, Hashable {
    public static let type = "service.removed.v1"
    public static let topic = Topic.services
    public var key: String { service.rawValue }

    public var service: ServiceInstanceID

    public init(service: ServiceInstanceID) { self.service = service }
}
