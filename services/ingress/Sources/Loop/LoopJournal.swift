// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import NIOCore
import Synchronization

/// One request as the log tells it.
struct AccessEntry: Sendable, Equatable {
    var endedAt: NIODeadline
    var duration: TimeAmount
    var client: String
    var method = ""
    var hostname = ""
    var path = ""
    var status: Int
    var bytesIn = 0
    var bytesOut = 0
    var requestID = ""
    var instance: InstanceID?
    var retries = 0
    var cause: String?
}

/// What happened on one loop since the last look, and how much is going on.
struct LoopTally: Sendable, Equatable {
    /// By the first digit of the status.
    var responses = [0, 0, 0, 0, 0, 0]
    var upstreamFailures = 0
    var retries = 0
    var connectionsAccepted = 0
    var connectionsRefused = 0
    var bytesIn = 0
    var bytesOut = 0
    var entriesDropped = 0
    var connections = 0
    var requestsInFlight = 0

    /// Keeps what is going on and starts counting anew.
    mutating func reset() {
        let (connections, requestsInFlight) = (connections, requestsInFlight)
        self = LoopTally()
        self.connections = connections
        self.requestsInFlight = requestsInFlight
    }
}

/// Where a loop leaves its log entries and figures for the reporter, who fetches them off the loop.
///
/// The lock is held for the time of an append or a swap; a loop shares it with nobody but the reporter.
final class LoopJournal: Sendable {
    private struct State {
        var entries: [AccessEntry] = []
        var tally = LoopTally()
        var hasNews = false
    }

    private let state = Mutex(State())
    private let news: Signal

    init(news: Signal) { self.news = news }

    /// Takes what there is.
    func drain() -> (entries: [AccessEntry], tally: LoopTally) {
        state.withLock { state in
            let taken = (state.entries, state.tally)
            state.entries = []
            state.tally.reset()
            state.hasNews = false
            return taken
        }
    }

    func clientOpened(isAdmitted: Bool) {
        note { state in
            state.tally.connections += 1
            if isAdmitted { state.tally.connectionsAccepted += 1 } else { state.tally.connectionsRefused += 1 }
        }
    }

    func clientClosed() { note { $0.tally.connections -= 1 } }
    func requestBegan() { note { $0.tally.requestsInFlight += 1 } }
    func upstreamFailed() { note { $0.tally.upstreamFailures += 1 } }

    /// Something was refused before it was a request.
    func refused(_ problem: Problem, client: String, logs: Bool) {
        let entry = AccessEntry(
            endedAt: .now(), duration: .nanoseconds(0), client: client, status: problem.status, cause: problem.cause)
        note { Self.add(entry, to: &$0, logs: logs) }
    }

    func requestEnded(_ exchange: Exchange, client: String, logs: Bool) {
        let now = NIODeadline.now()
        let entry = AccessEntry(
            endedAt: now, duration: now - exchange.startedAt, client: client, method: exchange.method.name,
            hostname: exchange.hostname, path: exchange.path, status: exchange.status, bytesIn: exchange.bytesIn,
            bytesOut: exchange.bytesOut, requestID: exchange.requestID, instance: exchange.upstream?.instance,
            retries: exchange.attempts.retries, cause: exchange.cause)
        note { state in
            state.tally.requestsInFlight -= 1
            Self.add(entry, to: &state, logs: logs)
        }
    }

    private static func add(_ entry: AccessEntry, to state: inout State, logs: Bool) {
        state.tally.responses[min(max(entry.status / 100, 0), 5)] += 1
        state.tally.retries += entry.retries
        state.tally.bytesIn += entry.bytesIn
        state.tally.bytesOut += entry.bytesOut
        if state.entries.count < IngressLimits.accessLogEntriesMax {
            state.entries.append(entry)
        } else if logs {
            state.tally.entriesDropped += 1
        }
    }

    /// The reporter is woken once for all that happens until it comes.
    private func note(_ body: (inout State) -> Void) {
        let isFirst = state.withLock { state in
            body(&state)
            defer { state.hasNews = true }
            return !state.hasNews
        }
        if isFirst { news.raise() }
    }
}
