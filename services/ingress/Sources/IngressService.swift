// SPDX-License-Identifier: Apache-2.0
import Buses
import Domain
import EventBus
import Events
import FoundationEssentials
import Glibc
import Logging
import ServiceKit
import ServiceLifecycle

/// The ingress: takes requests from the world and brings each to an instance of the application at its hostname.
public enum IngressService {
    /// More loops than this only help once the traffic is beyond a small machine's.
    private static let loopsDefaultMax = 2
    private static let loopsMax = 64

    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment
    ) async throws -> [any Service] {
        let address = settings.address("ingress.listen", default: "0.0.0.0:80")
        let directory = settings.string("ingress.state", expected: "a directory that can be written to")
        let loopCount = settings.int(
            "ingress.loops", default: min(ProcessInfo.processInfo.activeProcessorCount, loopsDefaultMax),
            in: 1...loopsMax)
        let logsRequests = settings.bool("ingress.access.log", default: true)
        let bus = Buses.make(&settings, environment, connectionsMax: 4, isNeededForReadiness: false)
        try settings.check()
        guard let bus else { return [] }

        let logger = environment.logger
        let node = try NodeIdentity.loadOrCreate(in: directory)
        let book = RouteBook()
        let snapshotPath = RouteSnapshot.path(in: directory)
        loadSnapshot(snapshotPath, into: book, logger)

        let served = ServedGeneration()
        let news = Signal()
        var configuration = ProxyConfiguration()
        configuration.logsRequests = logsRequests
        configuration.connectionsMax = IngressLimits.connections(openFilesMax: raisedOpenFilesMax())
        let loops = try await IngressLoops.start(
            count: loopCount, configuration: configuration, news: news, onDrained: { served.changes.raise() })

        let (readiness, runFile, name) = (environment.readiness, environment.runFile, environment.name)
        let accessLog: Reporter.Sink = { AccessLog.write($0, service: name) }
        readiness.expect("listener")
        readiness.expect("routes")
        return [
            bus, loops,
            Reporter(journals: loops.journals, news: news, sink: logsRequests ? accessLog : nil),
            RouteAnnouncer(
                node: node, bus: bus, served: served, draining: { try await loops.draining() }, logger: logger),
            SnapshotWriter(book: book, path: snapshotPath, logger: logger),
            RouteDistributor(
                book: book, loops: loops, served: served, onLoaded: { readiness.mark("routes") }, logger: logger),
            RouteFollower(bus: bus, prepare: { try await bus.prepare() }, book: book, logger: logger),
            IngressServer(
                address: address, loops: loops, book: book,
                onBound: { port in
                    served.open()
                    runFile.bound("ingress", port: port)
                    readiness.mark("listener")
                }, logger: logger),
        ]
    }

    private static func loadSnapshot(_ path: String, into book: RouteBook, _ logger: Logger) {
        do {
            guard let snapshot = try RouteSnapshot.read(from: path) else { return }
            book.load(snapshot)
        } catch {
            logger.warning(
                "the route snapshot cannot be read, waiting for the bus",
                metadata: ["path": "\(path)", "error": "\(error)"])
        }
    }

    /// Each connection is an open file: the soft limit is raised to the hard one.
    private static func raisedOpenFilesMax() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        if limit.rlim_cur < limit.rlim_max {
            let before = limit.rlim_cur
            limit.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = before }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
