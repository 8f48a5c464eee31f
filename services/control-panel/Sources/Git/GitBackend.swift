// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore
import Subprocess
import Synchronization

/// One request of Git's smart HTTP protocol, as `git http-backend` is told about it.
struct GitExchange: Sendable {
    enum Service: String, Sendable {
        case upload = "git-upload-pack"
        case receive = "git-receive-pack"
    }

    enum Part: Sendable {
        /// What the repository has: `GET info/refs`.
        case advertisement
        case exchange
    }

    var service: Service
    var part: Part
    var app: App
    /// Who asks, for Git's own records.
    var user: String
    var contentLength: Int?
    var isCompressed = false
    /// Such as `version=2`.
    var protocolVersion: String?

    var environment: [String: String] {
        var environment = [
            "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": user,
            "REQUEST_METHOD": part == .advertisement ? "GET" : "POST",
        ]
        let path = "/\(app.organisation)/\(app.name).git"
        switch part {
        case .advertisement:
            environment["PATH_INFO"] = "\(path)/info/refs"
            environment["QUERY_STRING"] = "service=\(service.rawValue)"
        case .exchange:
            environment["PATH_INFO"] = "\(path)/\(service.rawValue)"
            environment["CONTENT_TYPE"] = "application/x-\(service.rawValue)-request"
        }
        environment["CONTENT_LENGTH"] = contentLength.map { "\($0)" }
        if isCompressed { environment["HTTP_CONTENT_ENCODING"] = "gzip" }
        environment["GIT_PROTOCOL"] = protocolVersion
        return environment
    }
}

/// Runs `git http-backend` and streams through it, both ways at the pace of the slower end.
struct GitBackend: Sendable {
    let root: String
    let hooksFolder: String

    /// Said to every Git process, so that no repository's own configuration can be out of date.
    private var settings: [(String, String)] {
        [
            ("core.hooksPath", hooksFolder), ("receive.maxInputSize", "\(PanelLimits.repositoryInputBytesMax)"),
            ("receive.fsckObjects", "true"), ("receive.denyNonFastForwards", "false"),
            ("receive.denyDeleteCurrent", "ignore"), ("uploadpack.allowAnySHA1InWant", "true"),
            // Nothing goes on behind an answered request.
            ("gc.autoDetach", "false"), ("maintenance.autoDetach", "false"), ("pack.threads", "1"),
        ]
    }

    private func environment(of exchange: GitExchange) -> [String: String] {
        var environment = exchange.environment
        environment["GIT_PROJECT_ROOT"] = root
        environment["GIT_CONFIG_COUNT"] = "\(settings.count)"
        for (index, setting) in settings.enumerated() {
            environment["GIT_CONFIG_KEY_\(index)"] = setting.0
            environment["GIT_CONFIG_VALUE_\(index)"] = setting.1
        }
        return environment
    }

    /// Runs one exchange. Its output goes to `output`, which ends when the exchange has, with an error where it
    /// failed.
    ///
    /// - Parameter tap: is shown what the client sends, as it goes by.
    func run(
        _ exchange: GitExchange, body: RequestBody?, tap: @escaping @Sendable (ByteBuffer) -> Void = { _ in },
        output: Handoff<[UInt8]>
    ) async {
        let notes = ExchangeNotes()
        do {
            let result = try await Subprocess.run(
                .name("git"), arguments: ["http-backend"],
                environment: GitCommand.environment(adding: environment(of: exchange)),
                platformOptions: GitCommand.options, input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                async let errors: Void = Self.collect(execution.standardError, into: notes)
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await Self.feed(body, tap, to: execution) }
                    group.addTask { await Self.limitTime(of: execution, notes) }
                    await Self.pass(execution.standardOutput, of: execution, to: output)
                    group.cancelAll()
                }
                await errors
            }
            if notes.isOverTime {
                output.finish(throwing: failure("took longer than \(PanelLimits.gitExchangeMax)"))
            } else if !result.terminationStatus.isSuccess {
                output.finish(throwing: failure("ended with \(result.terminationStatus): \(notes.errorText)"))
            } else {
                output.finish()
            }
        } catch {
            output.finish(throwing: failure("cannot be run: \(error)"))
        }
    }

    private func failure(_ text: String) -> GitCommand.Failure {
        GitCommand.Failure(description: "git http-backend \(text)")
    }

    private typealias Backend = Execution<CustomWriteInput, SequenceOutput, SequenceOutput>

    private static func pass(
        _ sequence: SubprocessOutputSequence, of backend: Backend, to output: Handoff<[UInt8]>
    ) async {
        do {
            for try await buffer in sequence {
                guard await output.send(buffer.withUnsafeBytes { Array($0) }) else {
                    await backend.teardown(using: GitCommand.options.teardownSequence)
                    return
                }
            }
        } catch {
            // The output broke off; the exit status tells why.
        }
    }

    private static func feed(
        _ body: RequestBody?, _ tap: @Sendable (ByteBuffer) -> Void, to backend: Backend
    ) async {
        let writer = backend.standardInputWriter
        guard let body else {
            try? await writer.finish()
            return
        }
        var iterator = body.makeAsyncIterator()
        while true {
            let buffer: ByteBuffer?
            do {
                buffer = try await iterator.next()
            } catch {
                // The client broke off: half a push must not look like a whole one.
                if !Task.isCancelled { await backend.teardown(using: GitCommand.options.teardownSequence) }
                return
            }
            guard let buffer else {
                try? await writer.finish()
                return
            }
            tap(buffer)
            let bytes = Array(buffer.readableBytesView)
            // Git may end without having read everything; its answer says why.
            guard let written = try? await writer.write(bytes), written == bytes.count else { return }
        }
    }

    private static func limitTime(of backend: Backend, _ notes: ExchangeNotes) async {
        guard (try? await Task.sleep(for: PanelLimits.gitExchangeMax)) != nil else { return }
        notes.noteOverTime()
        await backend.teardown(using: GitCommand.options.teardownSequence)
    }

    private static func collect(_ sequence: SubprocessOutputSequence, into notes: ExchangeNotes) async {
        do {
            for try await buffer in sequence { notes.add(buffer.withUnsafeBytes { Array($0) }) }
        } catch {
            // What was read so far is enough for a log line.
        }
    }
}

/// What is learned about a running exchange beside its output.
final class ExchangeNotes: Sendable {
    private let state = Mutex<(errors: [UInt8], isOverTime: Bool)>(([], false))

    func add(_ bytes: [UInt8]) {
        state.withLock { $0.errors = Array(($0.errors + bytes).suffix(PanelLimits.errorTailBytesMax)) }
    }

    func noteOverTime() { state.withLock { $0.isOverTime = true } }

    var isOverTime: Bool { state.withLock { $0.isOverTime } }
    var errorText: String { state.withLock { String(decoding: $0.errors, as: UTF8.self) } }
}
