// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Synchronization
import Testing

@testable import SlipwayCLI

/// Answers requests from a script, in order, and keeps them.
final class FakeTransport: Transport {
    enum Answer: Sendable {
        case response(WireResponse)
        case failure(TransportFailure)
        /// A successful stream of these pieces, which then ends or breaks.
        case stream([[UInt8]], then: TransportFailure?)
    }

    private struct State {
        var answers: [Answer]
        var requests: [WireRequest] = []
    }

    private let state: Mutex<State>

    init(_ answers: [Answer]) {
        state = Mutex(State(answers: answers))
    }

    var requests: [WireRequest] { state.withLock { $0.requests } }

    private func next(_ request: WireRequest) throws -> Answer {
        try state.withLock { state in
            state.requests.append(request)
            guard !state.answers.isEmpty else {
                throw TransportFailure(kind: .tooLarge, reason: "no answer left for \(request.method) \(request.url)")
            }
            return state.answers.removeFirst()
        }
    }

    func send(_ request: WireRequest) async throws -> WireResponse {
        switch try next(request) {
        case .response(let response): return response
        case .failure(let failure): throw failure
        case .stream: throw TransportFailure(kind: .tooLarge, reason: "a stream was not expected")
        }
    }

    func stream(
        _ request: WireRequest, receive: ([UInt8]) async throws -> StreamControl
    ) async throws -> WireResponse {
        switch try next(request) {
        case .response(let response): return response
        case .failure(let failure): throw failure
        case .stream(let pieces, let ending):
            for piece in pieces {
                if try await receive(piece) == .stop { return WireResponse(status: 200) }
            }
            if let ending { throw ending }
            return WireResponse(status: 200)
        }
    }
}

extension FakeTransport.Answer {
    static func json(_ text: String, status: Int = 200) -> Self {
        .response(WireResponse(status: status, headers: ["content-type": "application/json"], body: Array(text.utf8)))
    }

    static func events(_ text: String, then ending: TransportFailure? = nil) -> Self {
        .stream([Array(text.utf8)], then: ending)
    }
}

/// Git without a process: answers by the arguments joined with spaces; anything else fails.
final class FakeGit: GitRunner {
    private let results: [String: GitResult]
    private let calls = Mutex<[String]>([])

    init(_ results: [String: GitResult] = [:]) {
        self.results = results
    }

    var commands: [String] { calls.withLock { $0 } }

    func git(_ arguments: [String]) async -> GitResult {
        let command = arguments.joined(separator: " ")
        calls.withLock { $0.append(command) }
        return results[command] ?? GitResult(status: 2, errorText: "error: No such remote")
    }
}

/// A command's surroundings in memory, and what it wrote.
final class FakeSurroundings: Sendable {
    private struct Written {
        var output = ""
        var error = ""
    }

    private let written = Mutex(Written())
    private let pauses = Mutex<[Duration]>([])
    let transport: FakeTransport
    let git: FakeGit

    init(_ answers: [FakeTransport.Answer] = [], git: FakeGit = FakeGit()) {
        transport = FakeTransport(answers)
        self.git = git
    }

    var output: String { written.withLock { $0.output } }
    var errorOutput: String { written.withLock { $0.error } }
    var pausesTaken: [Duration] { pauses.withLock { $0 } }

    /// - Parameter folder: stands for the user's configuration folder.
    func context(folder: String, input: String = "", overrides: [String: String] = [:]) -> CommandContext {
        var environment = [
            "XDG_CONFIG_HOME": folder, "SLIPWAY_URL": "http://panel.test:8080", "SLIPWAY_TOKEN": "slp_secret",
            "SLIPWAY_APP": "acme/shop",
        ]
        for (name, value) in overrides { environment[name] = value }
        return CommandContext(
            environment: environment,
            console: Console(
                isInputTerminal: false, isOutputTerminal: false, outputStyle: .none, errorStyle: .none,
                write: { channel, text in
                    self.written.withLock { written in
                        if channel == .output { written.output += text } else { written.error += text }
                    }
                }),
            input: Input(
                everything: { _ in Array(input.utf8) },
                line: { _ in input },
                secret: { _ in input }),
            transport: transport,
            git: git,
            now: { Timestamp(microseconds: 1_700_000_000_000_000) },
            pause: { duration in self.pauses.withLock { $0.append(duration) } },
            makeIdempotencyKey: { "key-1" })
    }

    /// Runs the whole command as `main` does.
    func run(
        _ arguments: String..., input: String = "", overrides: [String: String] = [:]
    ) async throws -> Int32 {
        try await withTemporaryFolder { folder in
            await CommandContext.$current.withValue(
                context(folder: folder, input: input, overrides: overrides)
            ) {
                await SlipwayTool.run(arguments)
            }
        }
    }
}

func withTemporaryFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    let folder = "\(parent)/slipway-cli-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome: Result<Value, any Error>
    do {
        outcome = .success(try await body(folder))
    } catch {
        outcome = .failure(error)
    }
    try FileManager.default.removeItem(atPath: folder)
    return try outcome.get()
}

extension PanelClient {
    static func fake(_ surroundings: FakeSurroundings) throws -> PanelClient {
        let address = try #require(PanelAddress("http://panel.test:8080"))
        return PanelClient(address: address, token: "slp_secret", context: surroundings.context(folder: "/nowhere"))
    }
}
