// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// The panel's REST API: addresses, credentials, retries and errors; what the answers mean is the commands' business.
struct PanelClient: Sendable {
    let address: PanelAddress
    let token: String
    let transport: any Transport
    let now: @Sendable () -> Timestamp
    let pause: @Sendable (Duration) async throws -> Void
    let makeIdempotencyKey: @Sendable () -> String

    init(address: PanelAddress, token: String, context: CommandContext) {
        self.address = address
        self.token = token
        transport = context.transport
        now = context.now
        pause = context.pause
        makeIdempotencyKey = context.makeIdempotencyKey
    }

    func get(_ path: RequestPath, query: [QueryItem] = []) async throws -> Document {
        try await send(.get, path, query: query)
    }

    func post(_ path: RequestPath, _ body: some Encodable) async throws -> Document {
        try await send(.post, path, body: Self.encode(body))
    }

    func patch(_ path: RequestPath, query: [QueryItem] = [], _ body: some Encodable) async throws -> Document {
        try await send(.patch, path, query: query, body: Self.encode(body))
    }

    func delete(_ path: RequestPath) async throws -> Document {
        try await send(.delete, path)
    }

    func send(
        _ method: RequestMethod, _ path: RequestPath, query: [QueryItem] = [], body: [UInt8]? = nil
    ) async throws -> Document {
        var request = wireRequest(method, path, query: query, accept: "application/json")
        request.body = body
        if body != nil { request.headers["Content-Type"] = "application/json" }
        // One key for all attempts: the panel does the work once, however often it is asked.
        let takesKey = method == .post || method == .patch
        if takesKey { request.headers["Idempotency-Key"] = makeIdempotencyKey() }
        let isRepeatable = RetryPolicy.isRepeatable(method, hasIdempotencyKey: takesKey)
        var attempts = 0
        while true {
            attempts += 1
            do {
                let response = try await transport.send(request)
                guard response.isSuccess else { throw CLIError(response, from: address) }
                return Document(bytes: response.body)
            } catch let failure as TransportFailure {
                guard
                    let delay = RetryPolicy.delay(
                        afterAttempts: attempts, isRepeatable: isRepeatable, failure: failure.kind)
                else { throw CLIError(failure, from: address) }
                try await pause(delay)
            }
        }
    }

    func wireRequest(
        _ method: RequestMethod, _ path: RequestPath, query: [QueryItem], accept: String
    ) -> WireRequest {
        WireRequest(
            method: method,
            url: "\(address)\(path)\(QueryItem.text(query))",
            headers: [
                "Authorization": "Bearer \(token)",
                "Accept": accept,
                "User-Agent": "slipway/\(SlipwayCommand.version)",
            ])
    }

    private static func encode(_ body: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(body))
    }
}
