// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import EventBus
import Events
import FoundationEssentials
import Logging
import Messaging
import Postgres
import Secrets
import Synchronization
import TestSupport

@testable import Builder

let testLogger: Logger = {
    var logger = Logger(label: "tests")
    logger.logLevel = .critical
    return logger
}()

/// Keeps what is published; refuses the first `failures` times.
final class RecordingBus: QuietBus {
    private struct State {
        var records: [Record] = []
        var failures: Int
    }

    private let state: Mutex<State>

    init(failures: Int = 0) { state = Mutex(State(failures: failures)) }

    func publish(_ records: [Record]) async throws {
        try state.withLock { state in
            guard state.failures == 0 else {
                state.failures -= 1
                throw BusError("away")
            }
            state.records += records
        }
    }

    var records: [Record] { state.withLock { $0.records } }

    func logLines() throws -> [LogLines] {
        try records.filter { $0.type == LogLines.type }.map { try Event<LogLines>($0).data }
    }

    func logText() throws -> [String] {
        try logLines().flatMap { $0.lines.map(\.text) }
    }
}

/// Says and does what a test wants of an engine.
final class FakeEngine: ImageEngine {
    struct Build: Sendable {
        let options: BuildOptions
        /// The tar file's bytes: it is not compressed, so that names and texts can be found in it.
        let context: String
    }

    private struct State {
        var builds: [Build] = []
        var outages: Int
    }

    let lines: [String]
    let failure: EngineError?
    /// A build goes on until it is cancelled.
    let isEndless: Bool
    /// Base images that it has.
    let bases: [String]
    private let state: Mutex<State>

    static let image = "sha256:" + String(repeating: "a", count: 64)

    init(
        lines: [String] = [], failure: EngineError? = nil, isEndless: Bool = false, outages: Int = 0,
        bases: [String] = ["python:3.11-slim"]
    ) {
        self.lines = lines
        self.failure = failure
        self.isEndless = isEndless
        self.bases = bases
        state = Mutex(State(outages: outages))
    }

    var builds: [Build] { state.withLock { $0.builds } }

    func buildImage(
        contextPath: String, options: BuildOptions, onMessage: @Sendable (String) async throws -> Void
    ) async throws -> String {
        let context = String(decoding: FileManager.default.contents(atPath: contextPath) ?? Data(), as: UTF8.self)
        state.withLock { $0.builds.append(Build(options: options, context: context)) }
        for line in lines { try await onMessage(line) }
        if isEndless {
            // Ends with the task only.
            for await _ in AsyncStream<Void>.makeStream().stream {}
            try Task.checkCancellation()
        }
        if let failure { throw failure }
        return Self.image
    }

    func inspectImage(_ reference: String) async throws -> ImageInfo? {
        let isAway = state.withLock { state in
            guard state.outages > 0 else { return false }
            state.outages -= 1
            return true
        }
        if isAway { throw EngineError(code: .unreachable, message: "away") }
        let isKnown = reference == Self.image || bases.contains(reference)
        return isKnown ? ImageInfo(id: reference, sizeBytes: 1_000, labels: [:], created: nil) : nil
    }

    func listImages(reference: String) async throws -> [ImageInfo] {
        let language = reference.prefix { $0 != "*" }
        return bases.filter { $0.hasPrefix(language) }.map {
            ImageInfo(id: $0, tags: [$0, "mirror.test/other:1"], sizeBytes: 1, labels: [:], created: nil)
        }
    }
}

func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let name = "slipway-tests-" + Identifier<EventKind>.generate().rawValue
    let path = FileManager.default.temporaryDirectory.appending(path: name).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

struct Repository: Sendable {
    let url: String
    let commit: String
    let tree: String

    /// A repository with one commit of `files`.
    static func make(in folder: String, _ files: [String: String]) async throws -> Repository {
        let path = folder + "/repository"
        func git(_ arguments: String...) async throws -> String {
            let identity = ["-C", path, "-c", "user.name=Test", "-c", "user.email=test@example.org"]
            let output = try await Git().run(GitInvocation(identity + arguments, home: folder, protocols: ["file"]))
            guard output.isSuccess else { throw BuildFailure(output.complaint) }
            return String(output.text.prefix { !$0.isWhitespace })
        }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        _ = try await git("init", "--quiet")
        for (name, text) in files {
            let parent = (path + "/" + name).split(separator: "/", omittingEmptySubsequences: false).dropLast()
            try FileManager.default.createDirectory(
                atPath: parent.joined(separator: "/"), withIntermediateDirectories: true)
            try TextFile.write(text, to: path + "/" + name)
        }
        _ = try await git("add", "--all")
        _ = try await git("commit", "--quiet", "--message", "one")
        return Repository(
            url: "file://" + path, commit: try await git("rev-parse", "HEAD"),
            tree: try await git("rev-parse", "HEAD^{tree}"))
    }
}

struct Requests {
    static let token = "SENTINEL-TOKEN-5e1f"
    static let secret = "SENTINEL-SECRET-93ab"

    let key = PrivateSealingKey()

    func request(
        _ repository: Repository? = nil, identity: String = "1234567890abcdef1234", spec: BuildSpec? = nil,
        variables: [String: Variable.Value] = [:]
    ) throws -> BuildRequested {
        let deployment = DeploymentID.generate()
        let token = try Sealed(
            Self.token, to: key.publicKey, context: SourceLocation.tokenContext(deployment))
        return BuildRequested(
            build: .generate(), identity: identity, deployment: deployment, environment: EnvironmentID("env_1"),
            organisation: "acme", app: "shop",
            source: SourceLocation(
                url: repository?.url ?? "http://127.0.0.1:1/git/acme/shop.git",
                commit: repository?.commit ?? String(repeating: "1", count: 40),
                tree: repository?.tree ?? String(repeating: "2", count: 40), token: token),
            spec: spec ?? BuildSpec(source: .runtime(language: "python", version: "3.11")), variables: variables)
    }

    func sealedSecret(_ name: String) throws -> Variable.Value {
        .sealed(
            try Sealed(
                Self.secret, to: key.publicKey, context: Variable.context(EnvironmentID("env_1"), name)))
    }
}

/// A builder's database with its outbox.
func withBuilderDatabase<Result>(_ body: (PostgresPool, Outbox) async throws -> Result) async throws -> Result {
    try await TestDatabase.with { url in
        let pool = PostgresPool(.init(url: url, name: "tests"))
        let outbox = Outbox(pool: pool, bus: RecordingBus(), source: BuilderService.source, logger: testLogger)
        let result: Swift.Result<Result, any Error>
        do {
            try await pool.migrate(builderMigrations)
            result = .success(try await body(pool, outbox))
        } catch {
            result = .failure(error)
        }
        await pool.close()
        return try result.get()
    }
}

/// Payloads of one type that wait in the outbox, oldest first.
func outboxEvents<Payload: EventPayload>(_: Payload.Type, _ pool: PostgresPool) async throws -> [Payload] {
    try await pool.query("SELECT value FROM outbox WHERE headers ->> 'ce_type' = \(Payload.type) ORDER BY id").map {
        try JSONDecoder().decode(Payload.self, from: Data($0.string("value").utf8))
    }
}
