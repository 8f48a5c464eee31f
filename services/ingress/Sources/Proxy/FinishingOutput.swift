// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension ChannelHandlerContext {
    /// Ends this direction after what was written. Closing the output of a channel whose input is closed closes all of
    /// it and drops what waits to be sent, hence the wait.
    func finishOutput() {
        afterFlush { $0.close(mode: .output, promise: nil) }
    }

    /// Closes after what was written.
    func flushAndClose() {
        afterFlush { $0.close(promise: nil) }
    }

    private func afterFlush(_ body: @escaping (ChannelHandlerContext) -> Void) {
        let promise = eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in body(self) }
        writeAndFlush(NIOAny(ByteBuffer()), promise: promise)
    }
}
