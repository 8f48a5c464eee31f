// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1

/// Talks to the container engine: the Docker Engine API, version 1.41, over its unix socket.
///
/// Plain calls have a deadline and a bounded answer; streams (logs, events, builds, waiting) have neither and end with
/// their task. The two use separate connection pools, so that calls never wait behind streams. Every function throws
/// `EngineError`, or `CancellationError` when its task is cancelled. `shutdown()` must be called once, at the end.
public final class EngineClient: Sendable {
    let socketPath: String
    private let base: String
    private let calls: HTTPClient
    private let streams: HTTPClient
    let logger: Logger

    static let apiVersion = "v1.41"

    public init(socketPath: String, logger: Logger) {
        self.socketPath = socketPath
        self.logger = logger
        base = "http+unix://\(socketPath.percentEncoded())/\(Self.apiVersion)"
        calls = HTTPClient(configuration: Self.configuration(connectionsMax: EngineLimits.connectionsMax))
        streams = HTTPClient(configuration: Self.configuration(connectionsMax: EngineLimits.streamsMax))
    }

    private static func configuration(connectionsMax: Int) -> HTTPClient.Configuration {
        var pool = HTTPClient.Configuration.ConnectionPool(
            idleTimeout: EngineLimits.idleMax, concurrentHTTP1ConnectionsPerHostSoftLimit: connectionsMax)
        // An engine that is away is to be known as such at once, not after the connect time-out.
        pool.retryConnectionEstablishment = false
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = EngineLimits.connectMax
        configuration.connectionPool = pool
        configuration.httpVersion = .http1Only
        return configuration
    }

    /// Closes all connections; calls and streams under way fail.
    public func shutdown() async throws {
        try await streams.shutdown()
        try await calls.shutdown()
    }

    // MARK: Plain calls

    struct Reply: Sendable {
        let status: Int
        let body: ByteBuffer
    }

    /// - Parameter task: what is being done, for error messages: `creating container x`.
    /// - Throws: `EngineError` unless the status is 2xx or 304 (already so).
    @discardableResult
    func call(
        _ method: HTTPMethod, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil,
        within deadline: Duration = EngineLimits.callMax, task: String
    ) async throws -> Reply {
        let request = try makeRequest(method, path, query: query, body: body)
        do {
            return try await callOnce(request, within: deadline, task: task)
        } catch let error as EngineError where error.code == .unreachable && method == .GET {
            // The engine may have closed a kept connection just as it was used; a read is safe to send again.
            return try await callOnce(request, within: deadline, task: task)
        }
    }

    private func callOnce(
        _ request: HTTPClientRequest, within deadline: Duration, task: String
    ) async throws -> Reply {
        let calls = self.calls
        let socketPath = self.socketPath
        return try await withThrowingTaskGroup(of: Reply.self) { group in
            group.addTask {
                do {
                    let response = try await calls.execute(request, deadline: .distantFuture)
                    let status = Int(response.status.code)
                    guard (200..<300).contains(status) || status == 304 else {
                        throw await Self.refusal(response, task: task)
                    }
                    let body = try await response.body.collect(upTo: EngineLimits.answerBytesMax)
                    return Reply(status: status, body: body)
                } catch {
                    throw EngineError.translating(error, task: task, socketPath: socketPath)
                }
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw EngineError(
                    code: .timeout, message: "\(task): the container engine did not answer within \(deadline)")
            }
            defer { group.cancelAll() }
            guard let reply = try await group.next() else { throw CancellationError() }
            return reply
        }
    }

    private static func refusal(_ response: HTTPClientResponse, task: String) async -> EngineError {
        struct Refusal: Decodable {
            let message: String
        }
        let status = Int(response.status.code)
        let body = try? await response.body.collect(upTo: EngineLimits.errorBytesMax)
        let said = body.flatMap { try? JSONDecoder().decode(Refusal.self, from: Data($0.readableBytesView)) }
        return EngineError(status: status, message: said?.message ?? "\(task): the container engine answered \(status)")
    }

    func decode<Value: Decodable>(_: Value.Type, from reply: Reply, task: String) throws -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(reply.body.readableBytesView))
        } catch {
            throw EngineError(code: .protocol, message: "\(task): the engine's answer cannot be read: \(error)")
        }
    }

    // MARK: Streams

    struct Upload: Sendable {
        let file: UploadFile
        let contentType: String
    }

    /// Hands the answer's body to `onChunk` in order until it ends; errors of `onChunk` pass through unchanged.
    func stream(
        _ method: HTTPMethod, _ path: String, query: [(String, String)] = [], upload: Upload? = nil, task: String,
        onHead: () async throws -> Void = {}, onChunk: (ByteBuffer) async throws -> Void
    ) async throws {
        var request = try makeRequest(method, path, query: query, body: nil)
        if let upload {
            request.headers.add(name: "Content-Type", value: upload.contentType)
            request.body = .stream(FileChunks(file: upload.file), length: .known(upload.file.size))
        }
        let response: HTTPClientResponse
        do {
            response = try await streams.execute(request, deadline: .distantFuture)
        } catch {
            throw EngineError.translating(error, task: task, socketPath: socketPath)
        }
        guard (200..<300).contains(Int(response.status.code)) else { throw await Self.refusal(response, task: task) }
        try await onHead()
        var chunks = response.body.makeAsyncIterator()
        while true {
            let chunk: ByteBuffer?
            do {
                chunk = try await chunks.next()
            } catch {
                throw EngineError.translating(error, task: task, socketPath: socketPath)
            }
            guard let chunk else { break }
            try await onChunk(chunk)
        }
        try Task.checkCancellation()
    }

    private func makeRequest(
        _ method: HTTPMethod, _ path: String, query: [(String, String)], body: JSONValue?
    ) throws -> HTTPClientRequest {
        var url = base + path
        if !query.isEmpty {
            url += "?" + query.map { "\($0.percentEncoded())=\($1.percentEncoded())" }.joined(separator: "&")
        }
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "Host", value: "engine")
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        } else if method == .POST {
            // Without a body the engine waits for one: it is to see `Content-Length: 0`.
            request.body = .bytes(ByteBuffer())
        }
        return request
    }
}
