// SPDX-License-Identifier: Apache-2.0
import Domain

struct App: Decodable, Sendable {
    var id: String
    var organisation: String
    var name: String
    var gitUrl: String?
    var createdAt: Timestamp?
    var environments: [AppEnvironment]?
}

struct AppEnvironment: Decodable, Sendable {
    struct Instance: Decodable, Sendable {
        var state: String?
    }

    var id: String
    var name: String
    var branch: String?
    var hostname: String?
    var url: String?
    var currentDeployment: Deployment?
    var latestDeployment: Deployment?
    var createdAt: Timestamp?
    var instances: Lenient<[Instance]>?
}

struct NewApp: Encodable {
    var name: String
}

struct NewEnvironment: Encodable {
    var name: String
    var branch: String?
}
