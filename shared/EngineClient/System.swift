// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

public struct EngineInfo: Sendable, Hashable {
    public var memoryBytes: Int
    public var cpus: Int
    public var serverVersion: String

    public init(memoryBytes: Int, cpus: Int, serverVersion: String) {
        self.memoryBytes = memoryBytes
        self.cpus = cpus
        self.serverVersion = serverVersion
    }
}

extension EngineClient {
    /// Returns when the engine answers, within seconds.
    public func ping() async throws {
        try await call(.GET, "/_ping", within: EngineLimits.pingMax, task: "asking the engine for a sign of life")
    }

    public func info() async throws -> EngineInfo {
        struct Answer: Decodable {
            var memTotal: Int?
            var ncpu: Int?
            var serverVersion: String?

            enum CodingKeys: String, CodingKey {
                case memTotal = "MemTotal"
                case ncpu = "NCPU"
                case serverVersion = "ServerVersion"
            }
        }
        let task = "asking the container engine about itself"
        let answer = try decode(Answer.self, from: await call(.GET, "/info", task: task), task: task)
        return EngineInfo(
            memoryBytes: answer.memTotal ?? 0, cpus: answer.ncpu ?? 0, serverVersion: answer.serverVersion ?? "unknown")
    }

    /// Removes the cache of image builds that no image uses; returns the bytes that became free.
    @discardableResult
    public func pruneBuildCache() async throws -> Int {
        struct Answer: Decodable {
            var spaceReclaimed: Int?

            enum CodingKeys: String, CodingKey { case spaceReclaimed = "SpaceReclaimed" }
        }
        let task = "removing unused build cache"
        let reply = try await call(.POST, "/build/prune", within: EngineLimits.slowCallMax, task: task)
        return try decode(Answer.self, from: reply, task: task).spaceReclaimed ?? 0
    }
}

/// Something that happened to an object of the engine. Events are hints: they can be lost; what is true is what
/// inspection says.
public struct EngineEvent: Sendable, Hashable {
    /// `container`, `network`, …
    public var type: String
    /// `start`, `die`, `destroy`, …
    public var action: String
    public var id: String
    /// The object's labels, and what belongs to the action, such as `exitCode`.
    public var attributes: [String: String]

    public init(type: String, action: String, id: String, attributes: [String: String]) {
        self.type = type
        self.action = action
        self.id = id
        self.attributes = attributes
    }
}

extension EngineClient {
    /// Hands events to `onEvent` until the connection or the task ends.
    ///
    /// - Parameters:
    ///   - types: kinds of object; empty means all.
    ///   - actions: what happened; empty means anything.
    ///   - labels: only objects that carry them all.
    ///   - onConnected: called once the engine listens: what happened before is to be looked up.
    /// - Throws: `EngineError` when the connection is lost, also when the engine ended it.
    public func events(
        types: [String] = ["container"], actions: [String] = [], labels: [String: String],
        onConnected: () async throws -> Void = {}, onEvent: (EngineEvent) async throws -> Void
    ) async throws {
        let task = "watching the container engine"
        var more: [String: [String]] = [:]
        if !types.isEmpty { more["type"] = types }
        if !actions.isEmpty { more["event"] = actions }
        var parser = JSONLineParser()
        try await stream(
            .GET, "/events", query: [("filters", Filters.text(labels: labels, more))], task: task, onHead: onConnected
        ) { chunk in
            for message in try parser.append(chunk.readableBytesView) {
                if let event = EngineEvent(message) { try await onEvent(event) }
            }
        }
        throw EngineError(code: .unreachable, message: "\(task): the engine ended the connection")
    }
}
