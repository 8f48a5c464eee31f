// SPDX-License-Identifier: Apache-2.0
import Domain
import Hummingbird
import Messaging
import NIOCore
import ServiceLifecycle

/// The logs of deployments and environments: as they are, or as a stream of events.
struct LogRoutes: Sendable {
    let store: DeploymentStore
    let logs: LogStore
    let notifier: StreamNotifier
    let streams: Slots

    struct EndData: Encodable {
        var state: DeploymentState
        @Nullable var reason: String?
        var url: String
    }

    func add(to endpoints: Endpoints) {
        let base: RouterPath = "apps/{org}/{app}/environments/{env}"
        endpoints.on(
            .get, base.appendingPath("deployments/{id}/log"), .readLogs, in: DeploymentScope.self, deploymentLog)
        endpoints.on(.get, base.appendingPath("logs"), .readLogs, in: EnvironmentScope.self, appLog)
    }

    // MARK: A deployment's log

    @Sendable func deploymentLog(_ call: Call<DeploymentScope>) async throws -> Response {
        let after = try Self.lastEventID(call.request)
        let id = call.scope.deployment
        if Self.wantsJSON(call.request) {
            return try Answer.json(
                try await logs.lines(of: id, after: after, limit: PanelLimits.deploymentLogLinesMax))
        }
        let slot = try takeSlot()
        let environment = call.scope.environment.id
        return Response(
            status: .ok, headers: ServerSentEvent.headers,
            body: ResponseBody { writer in
                defer { withExtendedLifetime(slot) {} }
                try await stream(id, of: environment, after: after, call.streamAuthorization, to: &writer)
                try await writer.finish(nil)
            })
    }

    private func stream(
        _ id: DeploymentID, of environment: EnvironmentID, after: Int, _ authorization: StreamAuthorization,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        let signal = notifier.watch(environment)
        defer { notifier.unwatch(environment) }
        var authorization = authorization
        var follower = DeploymentFollower(id, after: after, store: store, logs: logs, signal: signal)
        // Written at once, so that the client sees the head of the answer before the first line.
        try await writer.write(ByteBuffer(string: ServerSentEvent.heartbeat))
        while true {
            let step = try await follower.next()
            guard try await authorization.holds() else {
                try await writer.write(ByteBuffer(string: StreamAuthorization.withdrawn))
                return
            }
            switch step {
            case .lines(let lines):
                var text = ""
                for line in lines {
                    text +=
                        ServerSentEvent(
                            name: "line", id: "\(line.sequence)", data: try Answer.encode(line)
                        ).text
                }
                try await writer.write(ByteBuffer(string: text))
            case .quiet:
                try await writer.write(ByteBuffer(string: ServerSentEvent.heartbeat))
            case .ended(let answer):
                let data = EndData(state: answer.state, reason: answer.reason, url: answer.url)
                let event = ServerSentEvent(name: "end", id: nil, data: try Answer.encode(data))
                try await writer.write(ByteBuffer(string: event.text))
                return
            case .interrupted:
                return
            }
        }
    }

    // MARK: An environment's log

    @Sendable func appLog(_ call: Call<EnvironmentScope>) async throws -> Response {
        let count = try call.number("lines", default: 100, in: 0...PanelLimits.appLogLinesMax)
        let follow = try call.flag("follow")
        let id = call.scope.environment.id
        let after = try Self.lastEventID(call.request)
        guard follow, !Self.wantsJSON(call.request) else {
            return try Answer.json(try await logs.lastAppLines(of: id, limit: count))
        }
        let isResumed = call.request.headers[ServerSentEvent.lastIDHeader] != nil
        let resumed = isResumed ? after : nil
        let slot = try takeSlot()
        return Response(
            status: .ok, headers: ServerSentEvent.headers,
            body: ResponseBody { writer in
                defer { withExtendedLifetime(slot) {} }
                try await stream(id, resumed: resumed, count: count, call.streamAuthorization, to: &writer)
                try await writer.finish(nil)
            })
    }

    private func stream(
        _ environment: EnvironmentID, resumed: Int?, count: Int, _ authorization: StreamAuthorization,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        let signal = notifier.watch(environment)
        defer { notifier.unwatch(environment) }
        try await writer.write(ByteBuffer(string: ServerSentEvent.heartbeat))
        var authorization = authorization
        var lastWrite = ContinuousClock.now
        var lines: [AppLogLine]
        var after: Int
        var raised = signal.count
        if let resumed {
            after = resumed
            lines = try await logs.appLines(of: environment, after: after, limit: PanelLimits.streamBatch)
        } else {
            lines = try await logs.lastAppLines(of: environment, limit: max(1, count))
            after = lines.last?.sequence ?? 0
            lines = Array(lines.suffix(count))
        }
        while true {
            guard try await authorization.holds() else {
                try await writer.write(ByteBuffer(string: StreamAuthorization.withdrawn))
                return
            }
            if let last = lines.last {
                after = last.sequence
                var text = ""
                for line in lines {
                    text +=
                        ServerSentEvent(
                            name: "line", id: "\(line.sequence)", data: try Answer.encode(line)
                        ).text
                }
                try await writer.write(ByteBuffer(string: text))
                lastWrite = .now
            } else {
                if Task.isShuttingDownGracefully || Task.isCancelled { return }
                if ContinuousClock.now - lastWrite >= PanelLimits.heartbeatInterval {
                    try await writer.write(ByteBuffer(string: ServerSentEvent.heartbeat))
                    lastWrite = .now
                }
                await signal.wait(since: raised, timeout: PanelLimits.streamPollInterval)
            }
            raised = signal.count
            lines = try await logs.appLines(of: environment, after: after, limit: PanelLimits.streamBatch)
        }
    }

    // MARK: Requests

    private func takeSlot() throws -> Slot {
        guard let slot = streams.take() else {
            throw Problem.unavailable("the panel serves \(streams.limit) streams already: try again in a moment")
        }
        return slot
    }

    static func wantsJSON(_ request: Request) -> Bool {
        request.headers[.accept]?.contains("application/json") ?? false
    }

    static func lastEventID(_ request: Request) throws -> Int {
        guard let text = request.headers[ServerSentEvent.lastIDHeader], !text.isEmpty else { return 0 }
        guard let value = Int32(text), value >= 0 else {
            throw Problem.malformed("Last-Event-ID is \"\(text.prefix(40))\", expected the id of an event")
        }
        return Int(value)
    }
}
