// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Why a response did not come to its end.
enum UpstreamFailure: Equatable {
    /// Closed; `isUnanswered`: before the first byte of the response.
    case closed(isUnanswered: Bool)
    case malformed(HeadError)
}

/// A connection to an instance: follows the responses on it and tells the client's connection.
final class UpstreamConnection: TimedConnection, ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case connecting
        case idle
        case head
        case body
        /// The response is complete and the client has not let go yet.
        case finished
        case tunnel
        /// The client is gone; what it sent is still delivered.
        case closing
        case closed
    }

    let upstream: RouteTable.Upstream
    /// Called once when connected; taken away when connecting failed.
    var onActive: (() -> Void)?
    private(set) var isReused = false

    private var state = State.connecting
    private var client: ClientConnection?
    private var isToHead = false
    private var context: ChannelHandlerContext?
    private var inbound = ByteBuffer()
    private var scanner = HeadScanner()
    private var body = BodyReader(.none)
    private var isUnanswered = true
    private var mayBeReused = false
    private var hasFailed = false

    init(loop: IngressLoop, upstream: RouteTable.Upstream) {
        self.upstream = upstream
        super.init(loop: loop)
    }

    // MARK: Requests

    /// Takes a request's response for `client`. The caller writes the request.
    func begin(for client: ClientConnection, isToHead: Bool) {
        isReused = state == .idle
        self.client = client
        self.isToHead = isToHead
        isUnanswered = true
        mayBeReused = false
        state = .head
        clearDeadline()
        context?.read()
    }

    func write(_ buffer: ByteBuffer) {
        context?.write(Self.wrapOutboundOut(buffer), promise: nil)
    }

    func flush() { context?.flush() }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    /// The client can take more.
    func resumeReading() {
        switch state {
        case .head, .body, .tunnel: context?.read()
        case .connecting, .idle, .finished, .closing, .closed: break
        }
    }

    /// The client is done with this connection; it is kept when it is sure to be at the start of a response.
    func release(mayKeep: Bool) {
        client = nil
        guard mayKeep, mayBeReused, state == .finished, !loop.isShuttingDown,
            loop.pool.keep(self, for: upstream, now: .now())
        else { return abandon() }
        state = .idle
        setDeadline(in: loop.timeouts.upstreamIdle)
        // Bytes that come while nothing was asked for are read now rather than taken for the next response.
        context?.read()
    }

    /// Closes without telling the client.
    func abandon() {
        client = nil
        guard state != .closed else { return }
        state = .closed
        loop.upstreamClosed(self)
        context?.close(promise: nil)
    }

    override func deadlinePassed() {
        switch state {
        case .idle:
            loop.pool.forget(self, of: upstream)
            abandon()
        case .closing: abandon()
        case .connecting, .head, .body, .finished, .tunnel, .closed: break
        }
    }

    // MARK: Tunnel

    /// Sends what was written, then ends this direction.
    func finishOutput() { context?.finishOutput() }

    /// Sends what was written, then closes.
    func finishAndClose() {
        client = nil
        guard state != .closed else { return }
        state = .closing
        setDeadline(in: loop.timeouts.bodyIdle)
        context?.flushAndClose()
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        guard let onActive else {
            // Connecting was given up at the same moment.
            return context.close(promise: nil)
        }
        self.onActive = nil
        loop.upstreamOpened(self)
        onActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = Self.unwrapInboundIn(data)
        switch state {
        case .connecting, .idle:
            // Nothing was asked: the next response could not be told from this.
            loop.pool.forget(self, of: upstream)
            abandon()
        case .finished:
            mayBeReused = false
        case .closing, .closed: break
        case .tunnel: client?.receive(tunnelled: buffer)
        case .head, .body:
            if inbound.readableBytes == 0 { inbound = buffer } else { inbound.writeBuffer(&buffer) }
            if state == .head { readHeads() }
            if state == .body { readBody() }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard let client else {
            if state == .idle { context.read() }
            return
        }
        client.flush()
        if client.isWritable { resumeReading() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { client?.upstreamBecameWritable() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if state == .tunnel, event as? ChannelEvent == .inputClosed { client?.upstreamFinishedTunnel() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hasFailed = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let before = state
        let client = client
        if state != .closed { loop.upstreamClosed(self) }
        state = .closed
        self.client = nil
        switch before {
        case .idle: loop.pool.forget(self, of: upstream)
        case .head: client?.upstreamFailed(.closed(isUnanswered: isUnanswered && inbound.readableBytes == 0))
        case .body:
            if body.endsWithClose, !hasFailed {
                client?.responseEnded()
            } else {
                client?.upstreamFailed(.closed(isUnanswered: false))
            }
        case .tunnel: client?.upstreamClosedTunnel()
        case .connecting, .finished, .closing, .closed: break
        }
    }

    // MARK: Responses

    private func readHeads() {
        while state == .head, inbound.readableBytes > 0 {
            switch inbound.withUnsafeReadableBytes({ scanner.scan(CheckedBytes($0)) }) {
            case .bareLineFeed: return fail(.bareLineFeed)
            case .incomplete:
                if inbound.readableBytes > IngressLimits.headBytesMax { fail(.tooLarge) }
                return
            case .complete(let length):
                scanner = HeadScanner()
                guard length <= IngressLimits.headBytesMax else { return fail(.tooLarge) }
                guard let head = inbound.readSlice(length: length) else { return }
                isUnanswered = false
                take(head)
            }
        }
    }

    private func take(_ buffer: ByteBuffer) {
        let parsed = buffer.withUnsafeReadableBytes {
            ResponseHead.parse(CheckedBytes($0), length: $0.count, isToHead: isToHead)
        }
        switch parsed {
        case .failure(let error): fail(error)
        case .success(let head) where head.isInterim: client?.receive(interim: head, buffer)
        case .success(let head) where head.status == 101: switchProtocols(head, buffer)
        case .success(let head):
            body = BodyReader(head.framing)
            mayBeReused = head.keepsAlive
            state = .body
            client?.receive(head, buffer)
            // What came with the head, or the end of a response without a body.
            if state == .body, inbound.readableBytes == 0, body.isDone { finish() }
        }
    }

    private func readBody() {
        guard inbound.readableBytes > 0 else { return }
        guard let count = inbound.withUnsafeReadableBytes({ body.consume(CheckedBytes($0)) }) else {
            return fail(.malformedBody)
        }
        if count > 0, let slice = inbound.readSlice(length: count) { client?.receive(body: slice) }
        if body.isDone, state == .body { finish() }
    }

    private func finish() {
        // More than one response was sent for one request: nothing on this connection can be trusted now.
        if inbound.readableBytes > 0 { mayBeReused = false }
        inbound = ByteBuffer()
        state = .finished
        client?.responseEnded()
    }

    private func switchProtocols(_ head: ResponseHead, _ buffer: ByteBuffer) {
        guard let client, client.mayTunnel else { return fail(.unexpectedSwitch) }
        state = .tunnel
        try? context?.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        client.startTunnel(head, buffer)
        if inbound.readableBytes > 0, state == .tunnel {
            let early = inbound
            inbound = ByteBuffer()
            client.receive(tunnelled: early)
        }
    }

    private func fail(_ error: HeadError) {
        let client = client
        abandon()
        client?.upstreamFailed(.malformed(error))
    }
}
