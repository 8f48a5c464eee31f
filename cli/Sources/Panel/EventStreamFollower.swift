// SPDX-License-Identifier: Apache-2.0
import Domain

/// What a live stream is asked for: the first time, and after it broke off.
struct EventStreamRequest: Sendable {
    enum Content: String, Sendable {
        case log, events, records
    }

    var path: RequestPath
    var query: [QueryItem] = []
    /// Used instead of `query` when the connection is taken up again and the stream gave no ids to resume from.
    var resumingQuery: [QueryItem] = []
    var content = Content.log
}

extension EventStreamRequest.Content {
    fileprivate var interruptionHint: String {
        switch self {
        case .log: "Is the panel running? What is being deployed goes on without this command: slipway status"
        case .records: "Is the panel running?"
        case .events: "Is the panel running? Events are kept for days: read on with --after, then the last number shown"
        }
    }
}

extension PanelClient {
    /// Follows a stream of events, over broken connections, until `receive` says stop.
    ///
    /// - Parameter opened: is called once, when the panel begins to answer and before the first event.
    /// - Throws: `CLIError` when the panel refuses, or cannot be reached for long; what `receive` throws.
    func follow(
        _ stream: EventStreamRequest, opened: () -> Void = {},
        receive: (EventStreamParser.Event) throws -> StreamControl
    ) async throws {
        var policy = ReconnectPolicy()
        var lastID: String?
        var isFirst = true
        var isOpen = false
        while true {
            let query = isFirst || lastID != nil ? stream.query : stream.resumingQuery
            var request = wireRequest(.get, stream.path, query: query, accept: "text/event-stream")
            request.headers["Cache-Control"] = "no-store"
            if let lastID { request.headers["Last-Event-ID"] = lastID }

            var parser = EventStreamParser()
            var hadBytes = false
            var hadEvent = false
            let connectedAt = now()
            var isDone = false
            var ending = ReconnectPolicy.Ending.broken
            var reason = "the panel ended it"
            do {
                let response = try await transport.stream(request) { bytes in
                    hadBytes = true
                    if !isOpen { opened() }
                    isOpen = true
                    for event in try parser.consume(bytes) {
                        hadEvent = true
                        if let id = event.id { lastID = id }
                        if try receive(event) == .stop {
                            isDone = true
                            return .stop
                        }
                    }
                    if let id = parser.lastEventID { lastID = id }
                    return .proceed
                }
                if isDone { return }
                if !response.isSuccess {
                    guard response.status >= 500 else { throw CLIError(response, from: address) }
                    reason = CLIError(response, from: address).message
                } else {
                    isFirst = false
                }
            } catch let failure as TransportFailure {
                if failure.kind == .idle, hadBytes { ending = .idle }
                if hadEvent { isFirst = false }
                reason = failure.reason
            } catch let failure as EventStreamParser.Failure {
                throw CLIError("\(address): \(failure)")
            }
            let hasHeld = hadBytes && now().since(connectedAt) >= CLILimits.usefulConnection
            guard let delay = policy.delay(after: ending, wasUseful: hadEvent || hasHeld) else {
                throw CLIError(
                    "the \(stream.content.rawValue) of \(address) broke off and could not be taken up again: "
                        + reason,
                    hint: stream.content.interruptionHint)
            }
            try await pause(delay)
        }
    }
}
