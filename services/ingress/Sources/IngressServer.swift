// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import ServiceKit
import ServiceLifecycle

/// Opens the listener once there are routes, or no hope of any soon, and closes it at shutdown.
struct IngressServer: Service {
    let address: ListenAddress
    let loops: IngressLoops
    let book: RouteBook
    /// Called with the port when connections are accepted.
    let onBound: @Sendable (Int) -> Void
    let logger: Logger

    func run() async throws {
        await book.waitUntilServable(limit: IngressIntervals.firstRoutesMax)
        try await loops.apply(book.table)
        let (listeners, port) = try await loops.bind(host: address.host, port: address.port)
        logger.info("listening", metadata: ["host": "\(address.host)", "port": "\(port)"])
        onBound(port)
        try? await gracefulShutdown()
        for listener in listeners { try? await listener.close() }
        await loops.shutDown()
    }
}
