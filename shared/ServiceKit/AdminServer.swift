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
            let (status, text) = await Self.answer(of: readiness)
            return Response(status: status, body: .init(byteBuffer: ByteBuffer(string: text)))
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

    /// All that is wrong, also where the process takes work without it.
    static func answer(of readiness: Readiness) async -> (status: HTTPResponse.Status, text: String) {
        let problems = await readiness.problems()
        let shortcomings = await readiness.shortcomings()
        let lines = problems.merging(shortcomings) { problem, _ in problem }.sorted { $0.key < $1.key }
            .map { "\($0.key): \($0.value)\n" }.joined()
        return problems.isEmpty ? (.ok, "ok\n" + lines) : (.serviceUnavailable, lines)
    }
}
