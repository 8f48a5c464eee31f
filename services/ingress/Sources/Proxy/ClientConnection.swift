// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A client's connection: reads requests one after another and writes their responses.
///
/// Nothing is read from the client while its request waits for an instance or the instance cannot take more, and
/// nothing from the instance while the client cannot.
final class ClientConnection: TimedConnection, ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Between requests, or in a request's head.
        case head
        /// A request waits for a connection to an instance.
        case connecting
        case exchanging
        case tunnelling
        /// The last response is written; what still comes is dropped.
        case closing
        case closed
    }

    var phase = Phase.head
    var exchange: Exchange?
    var upstream: UpstreamConnection?
    /// Read and not yet used: the beginning of a head, of a body before its instance is known, or later requests.
    var inbound = ByteBuffer()
    var context: ChannelHandlerContext?
    private(set) var address = ""

    private var scanner = HeadScanner()
    private var hasSeenEmptyLine = false
    private var isReadingHead = false
    private var isAdvancing = false

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        address = Self.plain(context.remoteAddress?.ipAddress ?? "unknown")
        guard loop.admit(self) else { return turnAway() }
        guard !loop.isShuttingDown else { return closeNow() }
        setDeadline(in: loop.timeouts.requestHead)
        context.read()
    }

    /// An IPv4 address that came in over an IPv6 socket is written as what it is.
    static func plain(_ address: String) -> String {
        address.hasPrefix("::ffff:") && address.contains(".") ? String(address.dropFirst(7)) : address
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = Self.unwrapInboundIn(data)
        switch phase {
        case .closing, .closed: break
        case .tunnelling: send(tunnelled: buffer)
        case .head, .connecting, .exchanging:
            if inbound.readableBytes == 0 { inbound = buffer } else { inbound.writeBuffer(&buffer) }
            advance()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        upstream?.flush()
        readIfWanted()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        noteProgress()
        upstream?.resumeReading()
        if phase == .head {
            advance()
            readIfWanted()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? ChannelEvent {
        case .inputClosed where phase == .tunnelling: upstream?.finishOutput()
        case .outputClosed where phase == .closing: setDeadline(in: loop.timeouts.linger)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let before = phase
        phase = .closed
        inbound = ByteBuffer()
        loop.clientClosed(self)
        switch before {
        case .head, .closing, .closed: break
        case .connecting, .exchanging: clientGone()
        case .tunnelling: endTunnel()
        }
    }

    // MARK: Flow

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func write(_ buffer: ByteBuffer) {
        context?.write(Self.wrapOutboundOut(buffer), promise: nil)
    }

    func flush() { context?.flush() }

    func upstreamBecameWritable() {
        noteProgress()
        readIfWanted()
    }

    func readIfWanted() {
        switch phase {
        case .head:
            // A client that sends requests ahead and takes no answers would otherwise fill the memory with them.
            if isWritable { context?.read() }
        case .closing: context?.read()
        case .exchanging:
            if let exchange, !exchange.body.isDone, upstream?.isWritable == true { context?.read() }
        case .tunnelling:
            if upstream?.isWritable == true { context?.read() }
        case .connecting, .closed: break
        }
    }

    /// Takes from `inbound` what can be taken now. A request that is answered at once comes back here from within:
    /// the next is then taken by the loop, so that no number of requests sent ahead deepens the stack.
    func advance() {
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        while phase == .head, isWritable {
            guard readHead() else { return }
        }
        if phase == .exchanging { sendBody() }
    }

    // MARK: Heads

    /// - Returns: whether `inbound` may hold more that can be taken.
    private func readHead() -> Bool {
        guard inbound.readableBytes > 0 else {
            // Gives a buffer back that is larger than what an idle connection should hold.
            inbound = ByteBuffer()
            return false
        }
        switch inbound.withUnsafeReadableBytes({ scanner.scan(CheckedBytes($0)) }) {
        case .bareLineFeed: refuse(Problem(.bareLineFeed))
        case .incomplete:
            if inbound.readableBytes > IngressLimits.headBytesMax {
                refuse(Problem(.tooLarge))
            } else if !isReadingHead {
                isReadingHead = true
                setDeadline(in: loop.timeouts.requestHead)
            }
        case .complete(let length):
            scanner = HeadScanner()
            if length == 2, !hasSeenEmptyLine {
                // One empty line before a request is allowed for old clients (RFC 9112, section 2.2).
                hasSeenEmptyLine = true
                inbound.moveReaderIndex(forwardBy: length)
                return true
            }
            take(headOf: length)
            return phase == .head
        }
        return false
    }

    private func take(headOf length: Int) {
        isReadingHead = false
        hasSeenEmptyLine = false
        guard length > 2 else { return refuse(Problem(.emptyHead)) }
        guard length <= IngressLimits.headBytesMax else { return refuse(Problem(.tooLarge)) }
        switch inbound.withUnsafeReadableBytes({ RequestHead.parse(CheckedBytes($0), length: length) }) {
        case .failure(let error): refuse(Problem(error))
        case .success(let head): begin(head, length: length)
        }
    }

    // MARK: Deadlines

    override func deadlinePassed() {
        switch phase {
        case .head where isReadingHead: refuse(.headTimeout)
        case .head, .closing: closeNow()
        case .exchanging: exchangeTimedOut()
        case .tunnelling:
            exchange?.cause = "tunnel_idle"
            closeNow()
        case .connecting, .closed: break
        }
    }

    /// The connection is between requests.
    func awaitRequest() {
        phase = .head
        isReadingHead = false
        setDeadline(in: loop.timeouts.keepAliveIdle)
        // The response that just ended may have begun, without `Connection: close`, before the shutdown did.
        if loop.isShuttingDown { closeIfIdle() }
    }

    // MARK: Closing

    /// Answers what cannot be taken for a request, and closes.
    func refuse(_ problem: Problem) {
        var buffer = loop.allocator.buffer(capacity: 512)
        problem.write(to: &buffer, requestID: nil, closes: true, isToHead: false, keepAlive10: false)
        write(buffer)
        loop.journal.refused(problem, client: address, logs: loop.configuration.logsRequests)
        finishAndLinger()
    }

    /// There is no room for this connection, nor for waiting until it has gone.
    private func turnAway() {
        phase = .closing
        let problem = Problem.tooManyConnections
        var buffer = loop.allocator.buffer(capacity: 512)
        problem.write(to: &buffer, requestID: nil, closes: true, isToHead: false, keepAlive10: false)
        write(buffer)
        loop.journal.refused(problem, client: address, logs: loop.configuration.logsRequests)
        setDeadline(in: loop.timeouts.linger)
        context?.flushAndClose()
    }

    /// Sends what is written, then drops what the client still sends for a while: closing at once would have the
    /// system reset the connection, and the client could lose the response.
    func finishAndLinger() {
        phase = .closing
        inbound = ByteBuffer()
        setDeadline(in: loop.timeouts.bodyIdle)
        context?.finishOutput()
        context?.read()
    }

    func closeNow() {
        guard phase != .closed else { return }
        context?.close(promise: nil)
    }

    /// At shutdown. A client in the middle of a head gets its answer first.
    func closeIfIdle() {
        if phase == .head, inbound.readableBytes == 0 { finishAndLinger() }
    }
}
