// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server on a unix socket that answers each request as it is told and remembers what it was asked.
final class FakeEngine: Sendable {
    struct Asked: Sendable {
        let method: HTTPMethod
        let uri: String
        let headers: HTTPHeaders
        let body: ByteBuffer
    }

    struct Answer: Sendable {
        var status: HTTPResponseStatus = .ok
        /// Sent one by one.
        var chunks: [String] = []
    }

    let socketPath: String
    private let channel: any Channel
    private let log: Log

    var requests: [Asked] { log.asked.withLock { $0 } }

    /// Runs `body` while the engine serves.
    static func with(
        _ answer: @escaping @Sendable (Asked) -> Answer, _ body: (FakeEngine) async throws -> Void
    ) async throws {
        let engine = try await FakeEngine(answer)
        do {
            try await body(engine)
        } catch {
            try await engine.close()
            throw error
        }
        try await engine.close()
    }

    private init(_ answer: @escaping @Sendable (Asked) -> Answer) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/slipway-\(UInt64.random(in: 0...UInt64.max)).sock"
        let log = Log()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(answer: answer, log: log))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        socketPath = path
        self.log = log
    }

    private func close() async throws {
        try await channel.close()
        try? FileManager.default.removeItem(atPath: socketPath)
    }

    private final class Log: Sendable {
        let asked = Mutex<[Asked]>([])
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let answer: @Sendable (Asked) -> Answer
        private let log: Log
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()

        init(answer: @escaping @Sendable (Asked) -> Answer, log: Log) {
            self.answer = answer
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body.clear()
            case .body(let chunk):
                body.writeImmutableBuffer(chunk)
            case .end:
                guard let head else { return }
                let asked = Asked(method: head.method, uri: head.uri, headers: head.headers, body: body)
                log.asked.withLock { $0.append(asked) }
                send(answer(asked), context)
            }
        }

        private func send(_ answer: Answer, _ context: ChannelHandlerContext) {
            let head = HTTPResponseHead(version: .http1_1, status: answer.status)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            for chunk in answer.chunks {
                context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: chunk)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
