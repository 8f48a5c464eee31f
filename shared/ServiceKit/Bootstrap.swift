// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import FoundationEssentials
import Glibc
import Logging
import ServiceLifecycle
import Synchronization

/// What every Slipway process has.
public struct ServiceEnvironment: Sendable {
    public let name: String
    public let logger: Logger
    public let readiness: Readiness
    public let runFile: RunFile
}

/// Starts a process: settings, logs, metrics, admin port, signals, graceful shutdown.
public enum Bootstrap {
    /// After this long a graceful shutdown turns into cancellation, and after `cancellationMax` into an exit.
    public static let gracefulShutdownMax: Duration = .seconds(30)
    public static let cancellationMax: Duration = .seconds(5)

    /// Runs the process until SIGTERM or SIGINT, then exits 0; exits 78 (EX_CONFIG) with every problem on standard
    /// error when the settings are wrong, 1 when a service fails.
    ///
    /// - Parameters:
    ///   - listeners: names that `make` will report to the run file, besides `admin`.
    ///   - make: reads its settings, calls `check()` on them, and returns services in the order of their start; they
    ///     stop in reverse order.
    public static func run(
        _ name: String, listeners: Set<String> = [],
        make: @Sendable (inout Settings, ServiceEnvironment) async throws -> [any Service]
    ) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        do {
            var settings = try Settings.load(ProcessInfo.processInfo.environment)
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            let level = settings.value("log.level", default: Logger.Level.info, expected: "one of \(levels)") {
                Logger.Level(rawValue: $0)
            }
            let adminAddress = settings.address("admin.listen", default: "127.0.0.1:0")
            let runFilePath = settings.optionalString("run.file")
            LoggingSystem.bootstrap { label in
                JSONLogHandler(logLevel: level, service: name, label: label)
            }
            let registry = PrometheusRegistry()
            MetricsSystem.bootstrap(registry)
            let logger = Logger(label: name)
            let environment = ServiceEnvironment(
                name: name, logger: logger, readiness: Readiness(),
                runFile: RunFile(path: runFilePath, listeners: listeners.union(["admin"]), logger: logger))
            let services = try await make(&settings, environment)
            try settings.check()
            logger.info(
                "starting",
                metadata: Dictionary(settings.effective.map { ($0.key, "\($0.value)") }, uniquingKeysWith: { $1 }))
            let admin = AdminServer(
                address: adminAddress, readiness: environment.readiness, registry: registry,
                runFile: environment.runFile, logger: logger)
            try await runGroup([admin, StartMemory()] + services, environment, logger)
            logger.info("stopped")
            exit(0)
        } catch let error as SettingsError {
            FileHandleOutput.standardError("\(name): \(error)\n")
            exit(78)
        } catch {
            FileHandleOutput.standardError("\(name): \(error)\n")
            exit(1)
        }
    }

    private static func runGroup(
        _ services: [any Service], _ environment: ServiceEnvironment, _ logger: Logger
    ) async throws {
        var quiet = logger
        quiet.logLevel = max(.warning, logger.logLevel)
        // Last in the list, so first to learn of a shutdown: probes see it while the others still finish.
        let all = services + [ReadinessWithdrawal(readiness: environment.readiness)]
        var configuration = ServiceGroupConfiguration(
            services: all.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        configuration.maximumGracefulShutdownDuration = gracefulShutdownMax
        configuration.maximumCancellationDuration = cancellationMax
        try await ServiceGroup(configuration: configuration).run()
    }
}

private struct ReadinessWithdrawal: Service {
    let readiness: Readiness

    func run() async throws {
        try? await gracefulShutdown()
        readiness.beginShutdown()
    }
}

enum FileHandleOutput {
    static func standardError(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }
}
