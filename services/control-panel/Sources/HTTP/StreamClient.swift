// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import NIOCore

/// Writes to the client of an event stream, and notices one that does not keep up.
///
/// Nothing is queued here: a write waits until the connection has taken it, so a stream holds no more than what it
/// writes at a time and the connection's own buffers.
struct StreamClient: Sendable {
    let channel: any Channel
    let slow: Duration
    let longest: Duration

    init(
        _ channel: any Channel, slow: Duration = PanelLimits.streamWriteSlow,
        longest: Duration = PanelLimits.streamWriteMax
    ) {
        self.channel = channel
        self.slow = slow
        self.longest = longest
    }

    /// Writes `text`. A connection that does not take it within `longest` is closed.
    ///
    /// - Returns: whether the client took it quickly enough to be sent more.
    /// - Throws: when the connection is gone.
    func write(_ text: String, to writer: inout any ResponseBodyWriter) async throws -> Bool {
        let channel = channel
        let watchdog = channel.eventLoop.scheduleTask(in: TimeAmount(longest)) { channel.close(promise: nil) }
        defer { watchdog.cancel() }
        let started = ContinuousClock.now
        try await writer.write(ByteBuffer(string: text))
        return ContinuousClock.now - started <= slow
    }

    /// The last words to a client that is cut off.
    static func cutOff(_ advice: String) -> String {
        ServerSentEvent.comment("cut off: this client reads more slowly than events come; \(advice)")
    }
}
