// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import HTTPTypes
import Hummingbird
import NIOCore

/// The event bus as its operators see it.
struct BusRoutes: Sendable {
    let bus: any EventBus
    let streams: Slots

    func add(to endpoints: Endpoints) {
        endpoints.on(.get, "bus/topics", .readBus, in: InstallationScope.self, topics)
        endpoints.on(.get, "bus/lag", .readBus, in: InstallationScope.self, lag)
        endpoints.on(.get, "bus/tail", .readBus, in: InstallationScope.self, tail)
    }

    @Sendable func topics(_: Call<InstallationScope>) async throws -> Response {
        let positions = try await ask { try await $0.topicPositions() }
        return try Answer.json(Topic.all.map { TopicAnswer($0, positions: positions) })
    }

    @Sendable func lag(_: Call<InstallationScope>) async throws -> Response {
        let positions = try await ask { try await $0.groupPositions() }
        return try Answer.json(
            positions.sorted { ($0.group, $0.topic, $0.partition) < ($1.group, $1.topic, $1.partition) }
                .map(LagAnswer.init))
    }

    /// - Throws: a problem that says what is the matter with the bus, when it does not answer.
    private func ask<Value: Sendable>(
        _ question: @escaping @Sendable (any EventBus) async throws -> Value
    ) async throws -> Value {
        let bus = bus
        do {
            return try await withDeadline(
                PanelLimits.busAnswerMax, orThrow: BusError("no answer within \(PanelLimits.busAnswerMax)")
            ) { try await question(bus) }
        } catch let error as CancellationError {
            throw error
        } catch {
            throw Problem.busUnavailable(await bus.problem() ?? "\(error)")
        }
    }

    // MARK: Tail

    @Sendable func tail(_ call: Call<InstallationScope>) async throws -> Response {
        let topics = try Self.topics(named: call.request.uri.queryParameters.getAll("topic").map { String($0) })
        if let problem = await bus.problem() { throw Problem.busUnavailable(problem) }
        guard let slot = streams.take() else {
            throw Problem.unavailable("the panel serves \(streams.limit) streams already: try again in a moment")
        }
        let tail = BusTail(bus: bus, topics: topics)
        let client = StreamClient(call.context.channel)
        return Response(
            status: .ok, headers: ServerSentEvent.headers,
            body: ResponseBody { writer in
                defer { withExtendedLifetime(slot) {} }
                try await tail.run(client, call.streamAuthorization, to: &writer)
                try await writer.finish(nil)
            })
    }

    /// All topics when none is named.
    static func topics(named names: [String]) throws -> [Topic] {
        if names.isEmpty { return Topic.all }
        let wrong = names.filter { name in !Topic.all.contains { $0.name == name } }
        guard wrong.isEmpty else {
            let known = Topic.all.map(\.name).joined(separator: ", ")
            throw Problem.invalid(
                wrong.map {
                    .init(field: "topic", message: "\"\($0.prefix(60))\" is no topic, expected some of \(known)")
                })
        }
        return Topic.all.filter { names.contains($0.name) }
    }
}

extension Problem {
    static func busUnavailable(_ reason: String) -> Problem {
        Problem(
            status: .serviceUnavailable, code: "bus-unavailable", title: "Event bus unavailable",
            detail: "the event bus does not answer: \(reason)", headers: [.retryAfter: "5"])
    }
}
