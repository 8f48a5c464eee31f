// SPDX-License-Identifier: Apache-2.0
import NIOCore

// After a switch of protocols the ingress passes bytes both ways and knows nothing of what they mean.
extension ClientConnection {
    var mayTunnel: Bool { exchange?.isUpgrade == true && phase == .exchanging }

    func startTunnel(_ head: ResponseHead, _ buffer: ByteBuffer) {
        guard let exchange else { return }
        phase = .tunnelling
        try? context?.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        exchange.status = head.status
        exchange.keepsAlive = false
        exchange.head = ByteBuffer()
        write(rewritten(head, buffer, exchange, .implied))
        setDeadline(in: loop.timeouts.tunnelIdle)
        flush()
        // What the client sent before it knew.
        let early = inbound
        inbound = ByteBuffer()
        if early.readableBytes > 0 {
            send(tunnelled: early)
            upstream?.flush()
        }
        readIfWanted()
    }

    func send(tunnelled buffer: ByteBuffer) {
        exchange?.bytesIn += buffer.readableBytes
        upstream?.write(buffer)
        setDeadline(in: loop.timeouts.tunnelIdle)
    }

    func receive(tunnelled buffer: ByteBuffer) {
        exchange?.bytesOut += buffer.readableBytes
        write(buffer)
        setDeadline(in: loop.timeouts.tunnelIdle)
    }

    /// The instance has said its last; the client may go on.
    func upstreamFinishedTunnel() { context?.finishOutput() }

    func upstreamClosedTunnel() {
        upstream = nil
        if let exchange { conclude(exchange) }
        guard phase == .tunnelling else { return }
        phase = .closing
        setDeadline(in: loop.timeouts.bodyIdle)
        context?.flushAndClose()
    }

    /// The client is gone; what it sent before is still delivered.
    func endTunnel() {
        let connection = upstream
        upstream = nil
        connection?.finishAndClose()
        if let exchange { conclude(exchange) }
    }
}
