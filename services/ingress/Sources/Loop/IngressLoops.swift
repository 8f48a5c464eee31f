// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Glibc
import NIOCore
import NIOPosix
import ServiceLifecycle

/// All event loops, as the rest of the process sees them.
///
/// As a `Service` it keeps the loops until every service that was started after it has stopped.
final class IngressLoops: Service {
    let journals: [LoopJournal]
    private let group: MultiThreadedEventLoopGroup
    private let loops: [NIOLoopBound<IngressLoop>]

    /// - Parameters:
    ///   - news: raised when a journal has something to report.
    ///   - onDrained: called on a loop when its last request to an instance that no route names is over.
    static func start(
        count: Int, configuration: ProxyConfiguration, news: Signal, onDrained: @escaping @Sendable () -> Void
    ) async throws -> IngressLoops {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        var configuration = configuration
        configuration.connectionsMax = max(1, configuration.connectionsMax / count)
        let perLoop = configuration
        var journals: [LoopJournal] = []
        var loops: [NIOLoopBound<IngressLoop>] = []
        for eventLoop in group.makeIterator() {
            let journal = LoopJournal(news: news)
            journals.append(journal)
            let loop = try await eventLoop.submit {
                NIOLoopBound(
                    IngressLoop(
                        eventLoop: eventLoop, configuration: perLoop, journal: journal, onDrained: onDrained),
                    eventLoop: eventLoop)
            }.get()
            loops.append(loop)
        }
        return IngressLoops(group: group, journals: journals, loops: loops)
    }

    private init(group: MultiThreadedEventLoopGroup, journals: [LoopJournal], loops: [NIOLoopBound<IngressLoop>]) {
        self.group = group
        self.journals = journals
        self.loops = loops
    }

    func run() async throws {
        try? await gracefulShutdown()
        try await stop()
    }

    func stop() async throws { try await group.shutdownGracefully() }

    /// Returns when every loop routes by `table` or a later one.
    func apply(_ table: RouteTable) async throws {
        _ = try await onEach { $0.apply(table) }
    }

    /// Requests in flight to instances that no route names any more, on all loops.
    func draining() async throws -> [InstanceID: Int] {
        try await onEach { $0.draining }.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
    }

    /// Opens one listening socket per loop; the system spreads connections over them.
    ///
    /// - Returns: the listeners and the port they share.
    func bind(host: String, port: Int) async throws -> (listeners: [any Channel], port: Int) {
        do {
            if port != 0 { try await checkPortIsFree(host: host, port: port) }
            var listeners: [any Channel] = []
            var chosen = port
            for loop in loops {
                let listener = try await bootstrap(on: loop).bind(host: host, port: chosen).get()
                listeners.append(listener)
                chosen = listener.localAddress?.port ?? chosen
            }
            let text = String(chosen)
            _ = try await onEach { $0.port = text }
            return (listeners, chosen)
        } catch {
            throw IngressError(
                "SLIPWAY_INGRESS_LISTEN: \(host):\(port) cannot be bound: \(error). "
                    + "Stop what listens there, or choose another address.")
        }
    }

    /// Finishes requests in flight and closes all connections, within the configured time.
    func shutDown() async {
        let futures = loops.map { loop in loop.eventLoop.flatSubmit { loop.value.shutDown() } }
        for future in futures { try? await future.get() }
    }

    private func onEach<Value: Sendable>(_ body: @escaping @Sendable (IngressLoop) -> Value) async throws -> [Value] {
        let futures = loops.map { loop in loop.eventLoop.submit { body(loop.value) } }
        var values: [Value] = []
        for future in futures { values.append(try await future.get()) }
        return values
    }

    private func bootstrap(on loop: NIOLoopBound<IngressLoop>) -> ServerBootstrap {
        ServerBootstrap(group: loop.eventLoop, childGroup: loop.eventLoop)
            .serverChannelOption(.backlog, value: Int32(IngressLimits.listenBacklog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: IngressLoop.waterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClientConnection(loop: loop.value))
                }
            }
    }

    /// Sockets that share a port would share it with another ingress of the same user too, silently.
    private func checkPortIsFree(host: String, port: Int) async throws {
        let probe = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: host, port: port).get()
        try await probe.close()
    }
}
