// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore

// From an instance's response to the end of the exchange. Called by the upstream connection.
extension ClientConnection {
    /// An interim response. Clients of HTTP/1.0 do not know these.
    func receive(interim head: ResponseHead, _ buffer: ByteBuffer) {
        guard let exchange, !exchange.isHTTP10 else { return }
        write(rewritten(head, buffer, exchange, .implied))
        flush()
    }

    func receive(_ head: ResponseHead, _ buffer: ByteBuffer) {
        guard let exchange else { return }
        if exchange.isHTTP10, head.framing == .chunked {
            // It was asked in HTTP/1.0, and the client could not read this.
            let connection = upstream
            upstream = nil
            connection?.abandon()
            loop.journal.upstreamFailed()
            return answer(.badResponse)
        }
        // An answer while the request is still being sent often means that the rest will not be read; a client
        // that awaited leave to send its body may not send it any more.
        let isEarly = !exchange.body.isDone && (head.status >= 400 || exchange.expectsContinue)
        if isEarly || head.framing == .untilClose || loop.isShuttingDown { exchange.keepsAlive = false }
        exchange.status = head.status
        exchange.endsWithClose = head.framing == .untilClose
        exchange.head = ByteBuffer()
        let persistence: HeadRewriter.Persistence =
            !exchange.keepsAlive ? .close : exchange.isHTTP10 ? .keepAlive : .implied
        let out = rewritten(head, buffer, exchange, persistence)
        exchange.bytesOut += out.readableBytes
        write(out)
        setDeadline(in: loop.timeouts.bodyIdle)
    }

    func receive(body slice: ByteBuffer) {
        guard let exchange else { return }
        exchange.bytesOut += slice.readableBytes
        write(slice)
        setDeadline(in: loop.timeouts.bodyIdle)
    }

    func responseEnded() {
        guard let exchange, let connection = upstream else { return }
        upstream = nil
        // What is left of the request's body would be taken for the next request, there or here.
        if !exchange.body.isDone { exchange.keepsAlive = false }
        leaveUpstream(exchange)
        connection.release(mayKeep: exchange.body.isDone)
        end(exchange)
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        guard let exchange, let connection = upstream else { return }
        upstream = nil
        loop.journal.upstreamFailed()
        if exchange.hasResponse {
            exchange.cause = "response_truncated"
            return abort(exchange)
        }
        switch failure {
        case .closed(let isUnanswered):
            if isUnanswered, retryUnanswered(exchange, isReused: connection.isReused) { return }
            answer(.upstreamClosed)
        case .malformed: answer(.badResponse)
        }
    }

    func rewritten(
        _ head: ResponseHead, _ buffer: ByteBuffer, _ exchange: Exchange, _ persistence: HeadRewriter.Persistence
    ) -> ByteBuffer {
        var out = loop.allocator.buffer(capacity: buffer.readableBytes + 96)
        buffer.withUnsafeReadableBytes {
            HeadRewriter.write(
                head, of: CheckedBytes($0), requestID: exchange.requestID, persistence: persistence, to: &out)
        }
        return out
    }

    // MARK: Ends

    /// The response is written in full.
    func end(_ exchange: Exchange) {
        conclude(exchange)
        guard phase != .closed else { return }
        guard exchange.keepsAlive, exchange.body.isDone else { return finishAndLinger() }
        awaitRequest()
        flush()
        // Later requests that have arrived already; `advance` itself goes on when it is what led here.
        advance()
        readIfWanted()
    }

    /// The response cannot be brought to its end: the client must not take it for complete.
    func abort(_ exchange: Exchange) {
        conclude(exchange)
        if exchange.endsWithClose, let socket = context?.channel as? any SocketOptionProvider {
            // A clean end would look like the end of the response: reset instead.
            _ = socket.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        closeNow()
    }

    func clientGone() {
        guard let exchange else { return }
        let connection = upstream
        upstream = nil
        connection?.abandon()
        if exchange.cause == nil { exchange.cause = "client_gone" }
        if !exchange.hasResponse { exchange.status = 499 }
        conclude(exchange)
    }

    func exchangeTimedOut() {
        guard let exchange else { return }
        let isClientToBlame = !exchange.body.isDone && upstream?.isWritable == true
        let connection = upstream
        upstream = nil
        connection?.abandon()
        exchange.keepsAlive = false
        if exchange.hasResponse {
            exchange.cause = isWritable ? "body_idle" : "client_stalled"
            abort(exchange)
        } else if isClientToBlame {
            answer(.bodyTimeout)
        } else {
            loop.journal.upstreamFailed()
            answer(.responseTimeout)
        }
    }

    /// A side that could not take more can again, which is progress of its own.
    func noteProgress() {
        switch phase {
        case .exchanging:
            guard let exchange, exchange.hasResponse || !exchange.body.isDone else { return }
            setDeadline(in: loop.timeouts.bodyIdle)
        case .tunnelling: setDeadline(in: loop.timeouts.tunnelIdle)
        case .closing: setDeadline(in: loop.timeouts.bodyIdle)
        case .head, .connecting, .closed: break
        }
    }

    /// Logs and counts the exchange, once.
    func conclude(_ exchange: Exchange) {
        guard self.exchange === exchange else { return }
        self.exchange = nil
        leaveUpstream(exchange)
        loop.journal.requestEnded(exchange, client: address, logs: loop.configuration.logsRequests)
    }
}
