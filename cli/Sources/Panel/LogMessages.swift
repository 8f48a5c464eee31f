// SPDX-License-Identifier: Apache-2.0
import Domain

/// A line of a deployment's log.
struct DeploymentLogLine: Decodable, Sendable {
    var sequence: Int
    var stage: String?
    var text: String
}

/// The last message of a deployment's log.
struct DeploymentLogEnd: Decodable, Sendable {
    var state: DeploymentState
    var reason: String?
    var url: String?
}

/// A line an instance wrote.
struct AppLogLine: Decodable, Sendable {
    var at: Timestamp?
    var instance: String?
    var source: String?
    var text: String
}
