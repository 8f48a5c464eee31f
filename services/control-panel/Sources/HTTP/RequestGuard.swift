// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Sits before the router on each connection: invites a body that was announced with `Expect: 100-continue`, and
/// refuses one that is too large before it is read.
///
/// After a refusal a little more is read and thrown away, so that a client that is sending sees the answer instead of
/// a reset connection; then the connection is closed.
final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var policy = BodyPolicy()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        let action =
            switch part {
            case .head(let head): policy.received(head)
            case .body(let bytes): policy.receivedBody(bytes.readableBytes)
            case .end: policy.receivedEnd()
            }
        switch action {
        case .pass: context.fireChannelRead(data)
        case .invite:
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            context.fireChannelRead(data)
        case .refuse(let head, let limit): refuse(head, limit: limit, context: context)
        case .discard: break
        case .close: context.close(promise: nil)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { policy.answered() }
        context.write(data, promise: promise)
    }

    private func refuse(_ head: HTTPRequest, limit: Int, context: ChannelHandlerContext) {
        let requestID = RequestIdentifier.of(head.headerFields)
        let text = Problem.tooLarge(bytesMax: limit).body(requestID: requestID, path: head.path)
        var headers: HTTPFields = [
            .contentType: "application/problem+json", .contentLength: "\(text.utf8.count)", .connection: "close",
        ]
        headers[RequestIdentifier.header] = requestID
        SecurityHeaders.add(to: &headers)
        context.write(
            wrapOutboundOut(.head(HTTPResponse(status: .contentTooLarge, headerFields: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(string: text))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: TimeAmount(PanelLimits.refusedBodyTimeMax)) {
            channel.close(promise: nil)
        }
    }
}

@available(*, unavailable)
extension RequestGuard: Sendable {}

/// What is done with the parts of the requests of one connection.
struct BodyPolicy {
    enum Action: Equatable {
        case pass
        /// Pass on, after a `100 Continue`.
        case invite
        case refuse(HTTPRequest, limit: Int)
        case discard
        case close
    }

    private var unanswered = 0
    private var limit = PanelLimits.requestBodyBytesMax
    private var received = 0
    private var isRefused = false

    mutating func received(_ head: HTTPRequest) -> Action {
        guard !isRefused else { return .close }
        received = 0
        limit = Self.limit(forPath: head.path ?? "")
        let announced = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
        // With an earlier answer still to come, this one would overtake it; the router refuses it in turn.
        if announced > limit, unanswered == 0 {
            isRefused = true
            return .refuse(head, limit: limit)
        }
        unanswered += 1
        let expects = head.headerFields[.expect]?.lowercased() == "100-continue"
        return expects && unanswered == 1 ? .invite : .pass
    }

    mutating func receivedBody(_ count: Int) -> Action {
        received += count
        if isRefused { return received > PanelLimits.refusedBodyBytesMax ? .close : .discard }
        // A body without an announced length that goes on after its answer.
        if unanswered == 0, received > limit + PanelLimits.refusedBodyBytesMax { return .close }
        return .pass
    }

    mutating func receivedEnd() -> Action { isRefused ? .close : .pass }

    mutating func answered() { unanswered = max(0, unanswered - 1) }

    static func limit(forPath path: String) -> Int {
        path.hasPrefix("/git/") ? PanelLimits.gitRequestBytesMax : PanelLimits.requestBodyBytesMax
    }
}
