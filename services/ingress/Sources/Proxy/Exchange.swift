// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore

/// One request and its response.
final class Exchange {
    let startedAt: NIODeadline
    let method: Method
    let isHTTP10: Bool
    let hostname: String
    let path: String
    let requestID: String
    let isUpgrade: Bool
    let expectsContinue: Bool

    /// The head as it goes upstream, kept until it is known that it need not be sent again.
    var head = ByteBuffer()
    /// What the client still sends.
    var body: BodyReader
    /// Whether the client's connection outlives the response.
    var keepsAlive: Bool
    var attempts = Attempts()
    /// Where the request is in flight, and then where it was.
    var upstream: RouteTable.Upstream?
    var isInFlight = false
    /// The status that was sent; 0 until a final head was.
    var status = 0
    /// The end of the connection is the end of the response.
    var endsWithClose = false
    var bytesIn = 0
    var bytesOut = 0
    /// What went wrong, for the log.
    var cause: String?

    init(_ head: RequestHead, path: String, requestID: String) {
        startedAt = .now()
        method = head.method
        isHTTP10 = head.minorVersion == 0
        hostname = head.hostname
        self.path = path
        self.requestID = requestID
        isUpgrade = head.isUpgrade
        expectsContinue = head.expectsContinue
        body = BodyReader(head.framing)
        keepsAlive = head.keepsAlive
    }

    var hasResponse: Bool { status != 0 }

    /// May be sent again on another connection if this one dies unanswered.
    var isReplayable: Bool { method.isIdempotent && body.isDone && bytesIn == 0 }

    /// A switch of protocols is not to fail on a dead connection, and HTTP/1.0 is spoken on none that is kept.
    var mayReuseConnection: Bool { !isUpgrade && !isHTTP10 && !attempts.mustBeFresh }
}
