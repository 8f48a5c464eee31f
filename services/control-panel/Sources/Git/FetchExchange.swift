// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Logging
import NIOCore

/// Streams a fetch or clone through `git http-backend`.
struct FetchExchange: Sendable {
    let backend: GitBackend
    let logger: Logger

    func run(
        _ exchange: GitExchange, _ body: RequestBody, to writer: inout any ResponseBodyWriter
    ) async throws {
        let output = Handoff<[UInt8]>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run(exchange, body: body, output: output) }
            // However the copying ends, the backend is not left waiting for someone to take its output.
            defer { output.finish(throwing: CancellationError()) }
            try await copy(output, to: &writer)
        }
        try await writer.finish(nil)
    }

    private func copy(_ output: Handoff<[UInt8]>, to writer: inout any ResponseBodyWriter) async throws {
        var head = CGIHead()
        var isBody = false
        do {
            while let bytes = try await output.next() {
                if isBody {
                    try await writer.write(ByteBuffer(bytes: bytes))
                    continue
                }
                switch head.receive(bytes) {
                case .incomplete: continue
                case .malformed: throw GitCommand.Failure(description: "git http-backend: no response head")
                case .complete(let fields, let rest):
                    guard fields.status == 200 else {
                        throw GitCommand.Failure(description: "git http-backend answered \(fields.status)")
                    }
                    isBody = true
                    try await writer.write(ByteBuffer(bytes: rest))
                }
            }
        } catch let failure as GitCommand.Failure {
            logger.warning("fetch failed", metadata: ["error": "\(failure)"])
            // In the middle of a pack nothing can be said any more: the broken stream has to say it.
            if isBody { throw failure }
            try await writer.write(
                ByteBuffer(bytes: PktLine.fatal("the repository cannot be read: try again in a moment")))
        }
    }
}
