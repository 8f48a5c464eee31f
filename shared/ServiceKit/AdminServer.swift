// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// `/livez`, `/readyz` and `/metrics` on a port of their own, for probes and Prometheus. It starts first and stops
/// last, so that a process that shuts down says so.
struct AdminServer: Service {
    let address: ListenAddress
    let readiness: Readiness
    let registry: PrometheusRegistry
    let runFile: RunFile
    let logger: Logger

    func run() async throws {
        let router = Router()
        router.get("/livez") { _, _ in "ok\n" }
        router.get("/readyz") { [readiness] _, _ in
            let problems = await readiness.problems()
            if problems.isEmpty { return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "ok\n"))) }
            let lines = problems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\n" }.joined()
            return Response(status: .serviceUnavailable, body: .init(byteBuffer: ByteBuffer(string: lines)))
        }
        router.get("/metrics") { [registry] _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: registry.exposition())))
        }
        var quiet = logger
        quiet.logLevel = .warning
        let application = Application(
            router: router, configuration: .init(address: .hostname(address.host, port: address.port)),
            onServerRunning: { [runFile] channel in runFile.bound("admin", port: channel.localAddress?.port) },
            logger: quiet)
        try await application.run()
    }
}
