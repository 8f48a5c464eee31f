// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import NIOHTTP1

/// A container is named by its id or its name.
extension EngineClient {
    /// - Returns: the id.
    /// - Throws: `EngineError` with code `conflict` when the name is taken, `notFound` when the image is missing.
    public func createContainer(name: String, _ spec: ContainerSpec) async throws -> String {
        struct Answer: Decodable {
            var id: String

            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        let task = "creating container \(name)"
        let reply = try await call(
            .POST, "/containers/create", query: [("name", name)], body: spec.body, within: EngineLimits.slowCallMax,
            task: task)
        return try decode(Answer.self, from: reply, task: task).id
    }

    /// Starting what runs is no error.
    public func startContainer(_ id: String) async throws {
        try await call(
            .POST, "/containers/\(id.percentEncoded())/start", within: EngineLimits.slowCallMax,
            task: "starting container \(id)")
    }

    /// Sends SIGTERM, after `graceSeconds` SIGKILL, and returns when it has ended. Stopping what is stopped is no
    /// error.
    public func stopContainer(_ id: String, graceSeconds: Int) async throws {
        try await call(
            .POST, "/containers/\(id.percentEncoded())/stop", query: [("t", String(graceSeconds))],
            within: .seconds(graceSeconds) + EngineLimits.stopMargin, task: "stopping container \(id)")
    }

    /// Sends SIGKILL. Killing what does not run is no error.
    public func killContainer(_ id: String) async throws {
        do {
            try await call(.POST, "/containers/\(id.percentEncoded())/kill", task: "killing container \(id)")
        } catch let error as EngineError where error.code == .conflict {}
    }

    /// Removes the container and its anonymous volumes. What is already gone is no error.
    ///
    /// - Throws: `EngineError` with code `conflict` when it runs and `force` is false, or while it is being removed.
    public func removeContainer(_ id: String, force: Bool = false) async throws {
        do {
            try await call(
                .DELETE, "/containers/\(id.percentEncoded())", query: [("v", "1"), ("force", force ? "1" : "0")],
                within: EngineLimits.slowCallMax, task: "removing container \(id)")
        } catch let error as EngineError where error.code == .notFound {}
    }

    /// Returns the exit code once the container does not run, however long that takes.
    public func waitContainer(_ id: String) async throws -> Int {
        struct Answer: Decodable {
            var statusCode: Int

            enum CodingKeys: String, CodingKey { case statusCode = "StatusCode" }
        }
        let task = "waiting for container \(id)"
        var body = ByteBuffer()
        try await stream(
            .POST, "/containers/\(id.percentEncoded())/wait", query: [("condition", "not-running")], task: task
        ) { chunk in
            body.writeImmutableBuffer(chunk)
            guard body.readableBytes <= EngineLimits.errorBytesMax else {
                throw EngineError(code: .protocol, message: "\(task): the engine's answer is larger than any expected")
            }
        }
        return try decode(Answer.self, from: Reply(status: 200, body: body), task: task).statusCode
    }

    /// - Returns: `nil` when there is no such container.
    public func inspectContainer(_ id: String) async throws -> ContainerInfo? {
        let task = "inspecting container \(id)"
        do {
            let reply = try await call(.GET, "/containers/\(id.percentEncoded())/json", task: task)
            return try decode(ContainerAnswer.self, from: reply, task: task).container
        } catch let error as EngineError where error.code == .notFound {
            return nil
        }
    }

    /// - Parameters:
    ///   - labels: only containers that carry them all.
    ///   - all: also those that do not run.
    public func listContainers(labels: [String: String], all: Bool = true) async throws -> [ContainerSummary] {
        let task = "listing containers"
        let reply = try await call(
            .GET, "/containers/json", query: [("all", all ? "1" : "0"), ("filters", Filters.text(labels: labels))],
            task: task)
        return try decode([ListedContainerAnswer].self, from: reply, task: task).map(\.container)
    }

    /// Hands the container's output to `onChunk` in order, from both streams.
    ///
    /// - Parameters:
    ///   - follow: goes on until the container ends.
    ///   - since: only what was written at this time or later.
    ///   - tail: only this many lines from the end.
    public func containerLogs(
        _ id: String, follow: Bool, since: Timestamp? = nil, tail: Int? = nil,
        onChunk: (LogChunk) async throws -> Void
    ) async throws {
        var query = [("stdout", "1"), ("stderr", "1"), ("timestamps", "1"), ("follow", follow ? "1" : "0")]
        if let since { query.append(("since", Self.unixTime(since))) }
        if let tail { query.append(("tail", String(tail))) }
        var parser = LogFrameParser()
        try await stream(
            .GET, "/containers/\(id.percentEncoded())/logs", query: query, task: "reading the output of container \(id)"
        ) { bytes in
            for frame in try parser.append(bytes.readableBytesView) { try await onChunk(LogChunk(frame)) }
        }
    }

    /// Seconds since 1970 with nine fractional digits.
    static func unixTime(_ time: Timestamp) -> String {
        let microseconds = max(0, time.microseconds)
        let fraction = String(microseconds % 1_000_000)
        return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction + "000"
    }
}
