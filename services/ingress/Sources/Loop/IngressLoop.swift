// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import NIOPosix

/// What the data path is set up with.
struct ProxyConfiguration: Sendable {
    var timeouts = IngressTimeouts()
    var connectionsMax = IngressLimits.connectionsMax
    var scheme = "http"
    var logsRequests = true
}

/// Everything of one event loop: its routes, pool, connections and clock. Never touched off its loop, so the path
/// of a request takes no lock but the journal's own.
final class IngressLoop {
    let eventLoop: any EventLoop
    let configuration: ProxyConfiguration
    let journal: LoopJournal
    let allocator = ByteBufferAllocator()
    private let onDrained: @Sendable () -> Void

    private(set) var table = RouteTable()
    var pool = UpstreamPool<UpstreamConnection>()
    var requestIDs: RequestIDSource
    /// As told to applications; known once the listener is bound.
    var port = ""
    private(set) var isShuttingDown = false

    private var connections: [Int: TimedConnection] = [:]
    private var lastConnectionID = 0
    private var clients = 0
    private var pendingConnects = 0
    private var noClients: EventLoopPromise<Void>?

    private var wheel = DeadlineWheel()
    private var wakeAt: Int?
    private let origin = NIODeadline.now()

    init(
        eventLoop: any EventLoop, configuration: ProxyConfiguration, journal: LoopJournal,
        onDrained: @escaping @Sendable () -> Void
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.journal = journal
        self.onDrained = onDrained
        var generator = SystemRandomNumberGenerator()
        requestIDs = RequestIDSource(using: &generator)
    }

    var timeouts: IngressTimeouts { configuration.timeouts }

    // MARK: Routes

    func apply(_ newTable: RouteTable) {
        guard newTable.version >= table.version else { return }
        table = newTable
        for connection in pool.apply(newTable) { connection.abandon() }
    }

    var draining: [InstanceID: Int] { pool.draining(table) }

    func requestEnded(at upstream: RouteTable.Upstream) {
        if pool.end(upstream) { onDrained() }
    }

    // MARK: Connections

    func nextConnectionID() -> Int {
        lastConnectionID += 1
        return lastConnectionID
    }

    /// - Returns: whether there is room for one more client.
    func admit(_ client: ClientConnection) -> Bool {
        connections[client.id] = client
        clients += 1
        let isAdmitted = clients <= configuration.connectionsMax
        journal.clientOpened(isAdmitted: isAdmitted)
        return isAdmitted
    }

    func clientClosed(_ client: ClientConnection) {
        guard connections.removeValue(forKey: client.id) != nil else { return }
        clients -= 1
        journal.clientClosed()
        guard clients == 0, let noClients else { return }
        self.noClients = nil
        noClients.succeed(())
    }

    func upstreamOpened(_ connection: UpstreamConnection) { connections[connection.id] = connection }
    func upstreamClosed(_ connection: UpstreamConnection) { connections[connection.id] = nil }

    /// Opens a connection; `then` is called once, on this loop, possibly from within this call.
    func connect(
        to upstream: RouteTable.Upstream, then: @escaping (Result<UpstreamConnection, any Error>) -> Void
    ) {
        guard pendingConnects < IngressLimits.pendingConnectsMax else {
            return then(.failure(Problem.upstreamBusy))
        }
        pendingConnects += 1
        let connection = UpstreamConnection(loop: self, upstream: upstream)
        connection.onActive = {
            self.pendingConnects -= 1
            then(.success(connection))
        }
        let bound = NIOLoopBound(connection, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeouts.connect)
            .channelOption(.autoRead, value: false)
            .channelOption(.writeBufferWaterMark, value: Self.waterMark)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(to: upstream.address).assumeIsolated().whenFailure { error in
                guard connection.onActive != nil else { return }
                connection.onActive = nil
                self.pendingConnects -= 1
                then(.failure(error))
            }
    }

    static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(
        low: IngressLimits.writeBufferLow, high: IngressLimits.writeBufferHigh)

    // MARK: Deadlines

    private func tick(after deadline: NIODeadline) -> Int {
        let length = timeouts.tick.nanoseconds
        return Int(((deadline - origin).nanoseconds + length - 1) / length)
    }

    private func tick(before time: NIODeadline) -> Int {
        Int((time - origin).nanoseconds / timeouts.tick.nanoseconds)
    }

    private func time(of tick: Int) -> NIODeadline { origin + timeouts.tick * tick }

    /// - Returns: when `look` will be called for the connection, at the deadline or before.
    func watch(_ id: Int, until deadline: NIODeadline) -> NIODeadline {
        let place = wheel.insert(id, at: tick(after: deadline), now: tick(before: .now()))
        wake(at: place)
        return time(of: place)
    }

    private func wake(at tick: Int) {
        if let wakeAt, wakeAt <= tick { return }
        wakeAt = tick
        eventLoop.assumeIsolated().scheduleTask(deadline: time(of: tick)) { [weak self] in self?.turnWheel(tick) }
    }

    private func turnWheel(_ tick: Int) {
        // A task that was overtaken by an earlier one has nothing to do.
        guard wakeAt == tick else { return }
        wakeAt = nil
        let now = NIODeadline.now()
        for id in wheel.advance(to: max(tick, self.tick(before: now))) { connections[id]?.look(now: now) }
        if let next = wheel.next { wake(at: next) }
    }

    // MARK: Shutdown

    /// Idle clients are closed at once, others after their response, those left at the deadline without one.
    func shutDown() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        isShuttingDown = true
        for connection in pool.removeAllIdle() { connection.abandon() }
        for connection in Array(connections.values) { (connection as? ClientConnection)?.closeIfIdle() }
        if clients == 0 {
            promise.succeed(())
        } else {
            noClients = promise
            eventLoop.assumeIsolated().scheduleTask(in: timeouts.shutdown) {
                for connection in Array(self.connections.values) { (connection as? ClientConnection)?.closeNow() }
            }
        }
        return promise.futureResult
    }
}
