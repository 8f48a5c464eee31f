// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// Streams a push through `git http-backend`, deploys what it changed, and tells the client about it while it waits.
///
/// Neither the push nor the deployment depends on the client staying: once it has sent everything, all is done without
/// it.
struct PushExchange: Sendable {
    let backend: GitBackend
    let pushes: PushedBranches
    let apps: AppStore
    let store: DeploymentStore
    let logs: LogStore
    let notifier: StreamNotifier
    let streams: Slots

    /// - Parameter slot: of Git processes; given back once Git has ended, as the deployment that is then shown needs
    ///   such a place itself when its builder fetches the source.
    func run(
        _ exchange: GitExchange, _ body: RequestBody, by user: UserID?, slot: Slot, logger: Logger,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        let commands = Mutexed(PushCommands())
        var client = PushClient(writer)
        var tail = FlushHolder()
        let output = Handoff<[UInt8]>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await backend.run(
                    exchange, body: body,
                    tap: { buffer in commands.change { $0.receive(buffer.readableBytesView) } }, output: output)
            }
            // However the copying ends, the backend is not left waiting for someone to take its output.
            defer { output.finish(throwing: CancellationError()) }
            do {
                try await copy(output, to: &client, holding: &tail)
            } catch {
                logger.warning("push failed", metadata: ["app": "\(exchange.app.fullName)", "error": "\(error)"])
                await tellFailure(commands.value, to: &client, holding: tail)
            }
        }
        slot.giveBack()
        let seen = commands.value
        let outcomes = await deploy(exchange.app, by: user, logger: logger)
        if seen.hasSideband, tail.endsWithFlush {
            await narrate(seen, outcomes, exchange.app, to: &client, logger: logger)
        }
        await client.send(tail.held)
        try await client.finish()
    }

    /// A client that has gone is written to no more, but Git is read to its end.
    private func copy(
        _ output: Handoff<[UInt8]>, to client: inout PushClient, holding tail: inout FlushHolder
    ) async throws {
        var head = CGIHead()
        var isBody = false
        while let bytes = try await output.next() {
            if isBody {
                await client.send(tail.pass(bytes))
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
                await client.send(tail.pass(rest))
            }
        }
    }

    private func tellFailure(_ commands: PushCommands, to client: inout PushClient, holding tail: FlushHolder) async {
        let text = "the push could not be stored: try again in a moment"
        await client.send(commands.hasSideband ? PktLine.sidebandFatal(text) : PktLine.fatal(text))
    }

    private func deploy(
        _ app: App, by user: UserID?, logger: Logger
    ) async -> [(environment: AppEnvironment, outcome: PushedBranches.Outcome)] {
        do {
            return try await pushes.deploy(app: app, by: user, logger: logger)
        } catch {
            logger.error(
                "a push was stored but not deployed", metadata: ["app": "\(app.fullName)", "error": "\(error)"])
            return []
        }
    }

    // MARK: Telling

    private func narrate(
        _ commands: PushCommands, _ outcomes: [(environment: AppEnvironment, outcome: PushedBranches.Outcome)],
        _ app: App, to client: inout PushClient, logger: Logger
    ) async {
        do {
            var told: Set<EnvironmentID> = []
            for (environment, outcome) in outcomes {
                told.insert(environment.id)
                switch outcome {
                case .deploying(let id): try await follow(id, of: environment, to: &client)
                case .refused(let reason):
                    await client.tell(PushNarration.refused(environment: environment.name, reason: reason))
                }
            }
            let environments = try await apps.environments(of: app.id)
            for update in commands.updates {
                guard let branch = update.branch else { continue }
                try await explain(update, branch: branch, environments, told: told, app: app, to: &client)
            }
        } catch {
            logger.warning("a push's log broke off", metadata: ["app": "\(app.fullName)", "error": "\(error)"])
            await client.tell(PushNarration.ongoing("the log broke off"))
        }
    }

    /// What there is to say of a branch for which this push made no deployment.
    private func explain(
        _ update: ReferenceUpdate, branch: String, _ environments: [AppEnvironment], told: Set<EnvironmentID>,
        app: App, to client: inout PushClient
    ) async throws {
        let environment = environments.first { $0.branch == branch }
        switch (environment, update.isDeletion) {
        case (let environment?, true):
            await client.tell(PushNarration.deleted(branch: branch, environment: environment.name))
        case (nil, true): break
        case (nil, false):
            await client.tell(PushNarration.withoutEnvironment(branch: branch, app: app.fullName))
        case (let environment?, false):
            // Another push at the same time has made the deployment of this one's commit.
            guard !told.contains(environment.id), environment.pushedCommit == update.new,
                let id = try await store.latest(of: environment.id, commit: update.new)
            else { return }
            try await follow(id, of: environment, to: &client)
        }
    }

    private func follow(
        _ id: DeploymentID, of environment: AppEnvironment, to client: inout PushClient
    ) async throws {
        await client.tell(PushNarration.begin(try await store.answer(id), environment: environment.name))
        guard let slot = streams.take() else {
            await client.tell(PushNarration.ongoing("too many logs are being shown"))
            return
        }
        defer { withExtendedLifetime(slot) {} }
        let signal = notifier.watch(environment.id)
        defer { notifier.unwatch(environment.id) }
        var follower = DeploymentFollower(id, after: 0, store: store, logs: logs, signal: signal)
        var narration = PushNarration()
        let end = ContinuousClock.now + PanelLimits.pushStreamMax
        while !client.isGone {
            guard ContinuousClock.now < end else {
                await client.tell(PushNarration.ongoing("this takes long"))
                return
            }
            switch try await follower.next() {
            case .lines(let lines): await client.tell(narration.tell(lines))
            case .quiet: await client.send(PktLine.keepAlive)
            case .ended(let answer):
                await client.tell(PushNarration.end(answer))
                return
            case .interrupted:
                await client.tell(PushNarration.ongoing("the panel restarts"))
                return
            }
        }
    }
}

/// The sender of a push, who may leave at any time.
struct PushClient {
    private var writer: any ResponseBodyWriter
    private(set) var isGone = false

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    mutating func send(_ bytes: [UInt8]) async {
        guard !isGone, !bytes.isEmpty else { return }
        do {
            try await writer.write(ByteBuffer(bytes: bytes))
        } catch {
            isGone = true
        }
    }

    mutating func tell(_ text: String) async { await send(PktLine.progress(text)) }

    func finish() async throws {
        if !isGone { try await writer.finish(nil) }
    }
}

/// A value behind a lock.
final class Mutexed<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) { state.withLock { body(&$0) } }
}
