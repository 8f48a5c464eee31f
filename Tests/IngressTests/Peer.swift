// SPDX-License-Identifier: Apache-2.0
import EventBus
import NIOCore
import NIOPosix
import Synchronization

/// One end of a TCP connection in a test: an HTTP client's, or an application's. Reads all that comes.
final class Peer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private struct State {
        var received: [UInt8] = []
        var isEnded = false
        var channel: (any Channel)?
    }

    struct Ended: Error, CustomStringConvertible {
        let received: String
        var description: String { "the connection ended after \(received.debugDescription)" }
    }

    private let state = Mutex(State())
    private let changes = Signal()

    static func connect(port: Int) async throws -> Peer {
        let peer = Peer()
        _ = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(peer) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return peer
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        state.withLock { $0.channel = channel }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = Self.unwrapInboundIn(data)
        state.withLock { $0.received += buffer.readableBytesView }
        changes.raise()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { end() }
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func end() {
        state.withLock { $0.isEnded = true }
        changes.raise()
    }

    // MARK: For tests

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        state.withLock { $0.channel }?.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func close() { state.withLock { $0.channel }?.close(promise: nil) }

    /// Ends this direction only.
    func closeOutput() { state.withLock { $0.channel }?.close(mode: .output, promise: nil) }

    /// Takes what `take` takes from the bytes received, as soon as it takes any.
    private func wait<Taken: Sendable>(for take: @Sendable (inout [UInt8]) -> Taken?) async throws -> Taken {
        while true {
            let count = changes.count
            let (taken, isEnded) = state.withLock { state in
                (take(&state.received), state.isEnded)
            }
            if let taken { return taken }
            if isEnded { throw Ended(received: String(decoding: received, as: UTF8.self)) }
            await changes.wait(since: count, timeout: .seconds(60))
        }
    }

    var received: [UInt8] { state.withLock { $0.received } }

    /// The next head, with its empty line.
    func readHead() async throws -> String {
        try await wait { (bytes: inout [UInt8]) -> String? in
            let end = Array("\r\n\r\n".utf8)
            guard bytes.count >= 4, let start = (0...bytes.count - 4).first(where: { Array(bytes[$0..<$0 + 4]) == end })
            else { return nil }
            defer { bytes.removeFirst(start + 4) }
            return String(decoding: bytes[..<(start + 4)], as: UTF8.self)
        }
    }

    func read(_ count: Int) async throws -> [UInt8] {
        try await wait { (bytes: inout [UInt8]) -> [UInt8]? in
            guard bytes.count >= count else { return nil }
            defer { bytes.removeFirst(count) }
            return Array(bytes[..<count])
        }
    }

    func readText(_ count: Int) async throws -> String {
        String(decoding: try await read(count), as: UTF8.self)
    }

    /// All that comes until the other side ends.
    func readToEnd() async -> String {
        while true {
            let count = changes.count
            if state.withLock({ $0.isEnded }) || Task.isCancelled { return String(decoding: received, as: UTF8.self) }
            await changes.wait(since: count, timeout: .seconds(60))
        }
    }

    /// The next response with a Content-Length, and its body.
    func readResponse() async throws -> (head: String, body: String) {
        let head = try await readHead()
        let length = head.split(separator: "\r\n").lazy
            .compactMap { $0.lowercased().hasPrefix("content-length: ") ? Int($0.dropFirst(16)) : nil }.first
        return (head, try await readText(length ?? 0))
    }
}

/// An application in a test: connections of the ingress to it are taken with `accept`.
final class Listener: Sendable {
    let port: Int
    private let channel: any Channel
    private let accepted: AsyncStream<Peer>

    static func start() async throws -> Listener {
        let (accepted, feed) = AsyncStream.makeStream(of: Peer.self, bufferingPolicy: .bufferingOldest(1_000))
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let peer = Peer()
                    try channel.pipeline.syncOperations.addHandler(peer)
                    feed.yield(peer)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return Listener(port: channel.localAddress?.port ?? 0, channel: channel, accepted: accepted)
    }

    private init(port: Int, channel: any Channel, accepted: AsyncStream<Peer>) {
        self.port = port
        self.channel = channel
        self.accepted = accepted
    }

    func accept() async throws -> Peer {
        for await peer in accepted { return peer }
        throw CancellationError()
    }

    func stop() async throws { try await channel.close() }
}
