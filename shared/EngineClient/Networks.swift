// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

public struct NetworkInfo: Sendable, Hashable {
    public var id: String
    public var name: String
    public var labels: [String: String]
    /// Running containers in it; known to inspection only.
    public var containers: Set<String>

    public init(id: String, name: String, labels: [String: String], containers: Set<String> = []) {
        self.id = id
        self.name = name
        self.labels = labels
        self.containers = containers
    }
}

extension EngineClient {
    /// Makes a bridge network, or finds the one that has this name.
    ///
    /// - Returns: its id.
    @discardableResult
    public func createNetwork(name: String, labels: [String: String]) async throws -> String {
        struct Answer: Decodable {
            var id: String

            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        if let known = try await inspectNetwork(name) { return known.id }
        let task = "creating network \(name)"
        let body: JSONValue = .object([
            "Name": .string(name), "Driver": .string("bridge"), "CheckDuplicate": .bool(true),
            "Labels": .strings(labels),
        ])
        do {
            let reply = try await call(
                .POST, "/networks/create", body: body, within: EngineLimits.slowCallMax, task: task)
            return try decode(Answer.self, from: reply, task: task).id
        } catch let error as EngineError where error.code == .conflict {
            guard let known = try await inspectNetwork(name) else { throw error }
            return known.id
        }
    }

    /// What is already gone is no error.
    ///
    /// - Throws: `EngineError` with code `refused` while containers are connected to it.
    public func removeNetwork(_ name: String) async throws {
        do {
            try await call(
                .DELETE, "/networks/\(name.percentEncoded())", within: EngineLimits.slowCallMax,
                task: "removing network \(name)")
        } catch let error as EngineError where error.code == .notFound {}
    }

    /// - Returns: `nil` when there is no such network.
    public func inspectNetwork(_ name: String) async throws -> NetworkInfo? {
        let task = "inspecting network \(name)"
        do {
            let reply = try await call(.GET, "/networks/\(name.percentEncoded())", task: task)
            return try decode(NetworkAnswer.self, from: reply, task: task).network
        } catch let error as EngineError where error.code == .notFound {
            return nil
        }
    }

    /// - Parameter labels: only networks that carry them all.
    public func listNetworks(labels: [String: String]) async throws -> [NetworkInfo] {
        let task = "listing networks"
        let reply = try await call(.GET, "/networks", query: [("filters", Filters.text(labels: labels))], task: task)
        return try decode([NetworkAnswer].self, from: reply, task: task).map(\.network)
    }
}

private struct NetworkAnswer: Decodable {
    struct Endpoint: Decodable {}

    var id: String
    var name: String?
    var labels: [String: String]?
    var containers: [String: Endpoint]?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case name = "Name"
        case labels = "Labels"
        case containers = "Containers"
    }

    var network: NetworkInfo {
        NetworkInfo(id: id, name: name ?? "", labels: labels ?? [:], containers: Set((containers ?? [:]).keys))
    }
}
