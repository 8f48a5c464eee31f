// SPDX-License-Identifier: Apache-2.0
import NIOCore

// From a request's head to an instance that takes it.
extension ClientConnection {
    func begin(_ head: RequestHead, length: Int) {
        clearDeadline()
        let exchange = inbound.withUnsafeReadableBytes { makeExchange(head, CheckedBytes($0)) }
        if loop.isShuttingDown { exchange.keepsAlive = false }
        self.exchange = exchange
        loop.journal.requestBegan()

        var out = loop.allocator.buffer(capacity: length + 256)
        let arrival = HeadRewriter.Arrival(
            clientAddress: address, scheme: loop.configuration.scheme, port: loop.port)
        inbound.withUnsafeReadableBytes {
            HeadRewriter.write(head, of: CheckedBytes($0), from: arrival, requestID: exchange.requestID, to: &out)
        }
        exchange.head = out
        inbound.moveReaderIndex(forwardBy: length)
        findUpstream(exchange)
    }

    private func makeExchange(_ head: RequestHead, _ bytes: CheckedBytes) -> Exchange {
        let requestID =
            if let sent = head.requestID, RequestIDSource.isWellFormed(bytes, sent) {
                bytes.text(sent)
            } else {
                loop.requestIDs.next()
            }
        return Exchange(
            head, path: loop.configuration.logsRequests ? Self.path(head, bytes) : "", requestID: requestID)
    }

    /// For the log: without the query, which may hold what is not to be logged.
    private static func path(_ head: RequestHead, _ bytes: CheckedBytes) -> String {
        let end = head.target.first { bytes[$0] == ASCII.question } ?? head.target.upperBound
        let limit = head.target.lowerBound + IngressLimits.accessLogPathBytesMax
        return bytes.text(head.target.lowerBound..<min(end, limit))
    }

    /// Looks the route up anew at each try: it may have changed since the last.
    private func findUpstream(_ exchange: Exchange) {
        phase = .connecting
        guard loop.table.isLoaded else { return answer(.routesNotLoaded) }
        guard let route = loop.table.route(for: exchange.hostname) else { return answer(.unknownHost) }
        switch loop.pool.choose(from: route.upstreams, excluding: exchange.attempts.failed) {
        case .exhausted:
            if exchange.attempts.failed.isEmpty { return answer(.noInstances) }
            answer(exchange.attempts.lastConnectTimedOut ? .connectTimeout : .connectFailed)
        case .saturated: answer(.upstreamBusy)
        case .chosen(let upstream):
            loop.pool.begin(upstream)
            exchange.upstream = upstream
            exchange.isInFlight = true
            let ageMax = exchange.isReplayable ? loop.timeouts.upstreamIdle : loop.timeouts.unsafeReuse
            if exchange.mayReuseConnection,
                let connection = loop.pool.takeIdle(upstream, now: .now(), ageMax: ageMax)
            {
                send(exchange, on: connection)
            } else {
                loop.connect(to: upstream) { self.connected($0, for: exchange) }
            }
        }
    }

    private func connected(_ result: Result<UpstreamConnection, any Error>, for exchange: Exchange) {
        guard self.exchange === exchange, phase == .connecting, let upstream = exchange.upstream else {
            // The client is gone.
            if case .success(let connection) = result { connection.abandon() }
            return
        }
        switch result {
        case .success(let connection): send(exchange, on: connection)
        case .failure(let error as Problem): answer(error)
        case .failure(let error):
            leaveUpstream(exchange)
            loop.journal.upstreamFailed()
            let timedOut = if case .connectTimeout = error as? ChannelError { true } else { false }
            let mayRetry = exchange.attempts.connectFailed(upstream.id, timedOut: timedOut)
            if mayRetry { return findUpstream(exchange) }
            answer(timedOut ? .connectTimeout : .connectFailed)
        }
    }

    private func send(_ exchange: Exchange, on connection: UpstreamConnection) {
        phase = .exchanging
        upstream = connection
        connection.begin(for: self, isToHead: exchange.method == .head)
        connection.write(exchange.head)
        setDeadline(in: exchange.body.isDone ? loop.timeouts.responseHead : loop.timeouts.bodyIdle)
        sendBody()
        // Last, since a write that fails at once ends the connection from within.
        connection.flush()
        readIfWanted()
    }

    /// Passes on what has arrived of the request's body. What follows it stays: the next request's.
    func sendBody() {
        guard let exchange, let upstream, !exchange.body.isDone, inbound.readableBytes > 0 else { return }
        guard let count = inbound.withUnsafeReadableBytes({ exchange.body.consume(CheckedBytes($0)) }) else {
            return bodyIsMalformed(exchange)
        }
        guard count > 0, let slice = inbound.readSlice(length: count) else { return }
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        exchange.bytesIn += count
        upstream.write(slice)
        setDeadline(
            in: exchange.body.isDone && !exchange.hasResponse ? loop.timeouts.responseHead : loop.timeouts.bodyIdle)
    }

    private func bodyIsMalformed(_ exchange: Exchange) {
        let connection = upstream
        upstream = nil
        connection?.abandon()
        exchange.keepsAlive = false
        if exchange.hasResponse {
            exchange.cause = "bad_request"
            abort(exchange)
        } else {
            answer(Problem(.malformedBody))
        }
    }

    /// Ends the exchange with an answer of the ingress's own.
    func answer(_ problem: Problem) {
        guard let exchange else { return }
        if !exchange.body.isDone || loop.isShuttingDown { exchange.keepsAlive = false }
        exchange.status = problem.status
        exchange.cause = problem.cause
        var buffer = loop.allocator.buffer(capacity: 512)
        problem.write(
            to: &buffer, requestID: exchange.requestID, closes: !exchange.keepsAlive,
            isToHead: exchange.method == .head, keepAlive10: exchange.isHTTP10)
        exchange.bytesOut += buffer.readableBytes
        write(buffer)
        end(exchange)
    }

    /// The request is no longer in flight to its instance.
    func leaveUpstream(_ exchange: Exchange) {
        guard exchange.isInFlight, let upstream = exchange.upstream else { return }
        exchange.isInFlight = false
        loop.requestEnded(at: upstream)
    }

    /// Sends the request again where that is sure to be harmless.
    func retryUnanswered(_ exchange: Exchange, isReused: Bool) -> Bool {
        let mayRetry = exchange.attempts.closedUnanswered(
            isReused: isReused, isIdempotent: exchange.method.isIdempotent, bodyBytesSent: exchange.bytesIn)
        guard mayRetry else { return false }
        leaveUpstream(exchange)
        findUpstream(exchange)
        return true
    }
}
