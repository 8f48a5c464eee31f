// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import NIOCore
import Synchronization

@testable import Ingress

/// A data path on a port of its own, without a bus: routes are what the test says.
final class TestIngress: Sendable {
    let loops: IngressLoops
    let port: Int
    let drained: Signal
    private let listeners: [any Channel]
    private let news: Signal
    private let table = Mutex(RouteTable())
    private let log = Mutex<[AccessEntry]>([])

    static func with(
        loops count: Int = 1, _ configure: (inout ProxyConfiguration) -> Void = { _ in },
        _ body: (TestIngress) async throws -> Void
    ) async throws {
        var configuration = ProxyConfiguration()
        // A slow machine is not to make kept connections too old to be used again.
        configuration.timeouts.upstreamIdle = .hours(1)
        configuration.timeouts.unsafeReuse = .hours(1)
        configure(&configuration)
        let (news, drained) = (Signal(), Signal())
        let loops = try await IngressLoops.start(
            count: count, configuration: configuration, news: news, onDrained: { drained.raise() })
        let (listeners, port) = try await loops.bind(host: "127.0.0.1", port: 0)
        let ingress = TestIngress(loops: loops, port: port, listeners: listeners, news: news, drained: drained)
        try await loops.apply(ingress.table.withLock { $0 })
        let result: Result<Void, any Error>
        do { result = .success(try await body(ingress)) } catch { result = .failure(error) }
        for listener in listeners { try? await listener.close() }
        try await loops.stop()
        try result.get()
    }

    private init(loops: IngressLoops, port: Int, listeners: [any Channel], news: Signal, drained: Signal) {
        self.loops = loops
        self.port = port
        self.listeners = listeners
        self.news = news
        self.drained = drained
        table.withLock { $0.load(RouteSnapshot(generation: 0, routes: [])) }
    }

    func route(_ hostname: String = "app.test", to ports: Int...) async throws {
        let table = try table.withLock { table in
            let desired = Self.route(hostname, table.generation + 1, ports)
            _ = try table.apply(desired)
            return table
        }
        try await loops.apply(table)
    }

    private static func route(_ hostname: String, _ generation: Int, _ ports: [Int]) -> RouteDesired {
        RouteDesired(
            hostname: hostname, environment: EnvironmentID("env_1"), generation: generation,
            upstreams: ports.map { .init(instance: InstanceID("ins_\($0)"), address: "127.0.0.1", port: $0) })
    }

    func connect() async throws -> Peer { try await Peer.connect(port: port) }

    struct NotLogged: Error {}

    /// The first log entry that fits, from the beginning; waited for within a minute.
    func logged(where fits: (AccessEntry) -> Bool) async throws -> AccessEntry {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            try Task.checkCancellation()
            let count = news.count
            for journal in loops.journals {
                let entries = journal.drain().entries
                log.withLock { $0 += entries }
            }
            if let entry = log.withLock({ $0 }).first(where: fits) { return entry }
            guard ContinuousClock.now < deadline else { throw NotLogged() }
            await news.wait(since: count, timeout: .seconds(1))
        }
    }
}
