// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Hummingbird

/// One client's view of the records that are published from now on.
struct BusTail: Sendable {
    let bus: any EventBus
    let topics: [Topic]

    private enum Step: Sendable {
        case started
        case record(TailLine)
        case quiet
    }

    private struct Started: Encodable {
        var topics: [String]
    }

    /// Writes until the client goes, is too slow, may not read on, or the process shuts down. The bus never waits for
    /// a client: what does not fit in the buffer ends the stream.
    func run(
        _ client: StreamClient, _ authorization: StreamAuthorization, to writer: inout any ResponseBodyWriter
    ) async throws {
        let (steps, source) = AsyncStream.makeStream(
            of: Step.self, bufferingPolicy: .bufferingOldest(PanelLimits.tailBufferMax))
        let overflow = Mutexed(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                defer { source.finish() }
                try await bus.tail(
                    topics, started: { source.yield(.started) },
                    handler: { incoming in
                        guard case .dropped = source.yield(.record(TailLine(incoming))) else { return }
                        overflow.change { $0 = true }
                        source.finish()
                    })
            }
            group.addTask {
                while !Task.isCancelled {
                    try await Task.sleep(for: PanelLimits.heartbeatInterval)
                    source.yield(.quiet)
                }
            }
            _ = try await client.write(ServerSentEvent.heartbeat, to: &writer)
            var authorization = authorization
            var isQuick = true
            for await step in steps {
                guard try await authorization.holds() else {
                    _ = try await client.write(StreamAuthorization.withdrawn, to: &writer)
                    return
                }
                isQuick = try await client.write(text(step), to: &writer) && !overflow.value
                if !isQuick { break }
            }
            if !isQuick || overflow.value {
                let advice = "records were left out. Name fewer topics, or start again"
                _ = try await client.write(StreamClient.cutOff(advice), to: &writer)
            }
        }
    }

    private func text(_ step: Step) throws -> String {
        switch step {
        case .started:
            let data = try Answer.encode(Started(topics: topics.map(\.name)))
            return ServerSentEvent(name: "started", data: data).text
        case .record(let line): return ServerSentEvent(name: "record", data: try Answer.encode(line)).text
        case .quiet: return ServerSentEvent.heartbeat
        }
    }
}
