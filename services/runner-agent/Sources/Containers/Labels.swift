// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

/// The labels by which containers and networks are found again.
enum Labels {
    static let cloudspace = "slipway.cloudspace"
    static let host = "slipway.host"
    static let instance = "slipway.instance"
    static let environment = "slipway.environment"
    static let deployment = "slipway.deployment"
    static let app = "slipway.app"
    static let organisation = "slipway.organisation"
    static let role = "slipway.role"
}

/// Whose containers this agent looks after.
struct Ownership: Sendable, Hashable {
    let cloudspace: String
    let host: HostID

    /// What all containers of this host carry.
    var labels: [String: String] { [Labels.cloudspace: cloudspace, Labels.host: host.rawValue] }

    func owns(_ labels: [String: String]) -> Bool {
        labels[Labels.cloudspace] == cloudspace && labels[Labels.host] == host.rawValue
    }

    func labels(for desired: InstanceDesired) -> [String: String] {
        var labels: [String: String] = self.labels
        labels[Labels.instance] = desired.instance.rawValue
        labels[Labels.environment] = desired.environment.rawValue
        labels[Labels.deployment] = desired.deployment.rawValue
        labels[Labels.app] = desired.app
        labels[Labels.organisation] = desired.organisation
        labels[Labels.role] = desired.isWeb ? "web" : "release"
        return labels
    }

    static func containerName(_ instance: InstanceID) -> String { "slipway-\(instance)" }
    static func networkName(_ environment: EnvironmentID) -> String { "slipway-\(environment)" }
}

extension InstanceDesired {
    var isWeb: Bool {
        if case .web = role { return true }
        return false
    }

    var stopGraceSeconds: Int {
        switch role {
        case .web(let web): web.stopGraceSeconds
        case .release: RunnerLimits.releaseStopGrace
        }
    }
}
