// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Logging
import Postgres

/// The doorbell's wire. Ringing is no part of the transaction that publishes: Postgres lets only one transaction that
/// notifies commit at a time. A ring that is lost with its process is made up for by looking at the partitions' ends.
extension PostgresEventBus {
    private static let channel = "slipway_bus"

    /// Rings `keys` here at once and in other processes soon.
    func announce(_ keys: [String]) {
        for key in keys { doorbell.ring(key) }
        state.withLock { $0.news.formUnion(keys) }
        doorbell.ring(Self.newsKey)
    }

    private static let newsKey = "news"

    /// Keeps one connection that listens, tells what is new here, and looks at the partitions' ends.
    func watchForever() async {
        var backOff = BusLimits.reconnectBackOffMin
        while !Task.isCancelled {
            do {
                let connection = try await PostgresConnection.connect(
                    to: pool.configuration.url, name: pool.configuration.name + "-listen")
                let result: Result<Void, any Error>
                do { result = .success(try await watch(over: connection)) } catch { result = .failure(error) }
                await connection.close()
                if case .success = result { backOff = BusLimits.reconnectBackOffMin }
                try result.get()
            } catch {
                if Task.isCancelled { return }
                metrics.failed("connect")
                note(error)
                logger.warning("bus doorbell lost, trying again", metadata: ["error": "\(error)"])
            }
            // Without a doorbell everybody looks for news by themselves.
            doorbell.ringAll()
            try? await Task.sleep(for: backOff)
            backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
        }
    }

    private struct Lost: Error, CustomStringConvertible {
        let description = "the connection was lost"
    }

    /// Returns when cancelled; throws when the connection is lost.
    private func watch(over connection: PostgresConnection) async throws {
        let (loss, lost) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        try await connection.listen([Self.channel]) { notification in
            if notification.channel.isEmpty { lost.finish() } else { self.hear(notification.payload) }
        }
        try await lookAtEnds(over: connection)
        // What was published while nobody listened is found now.
        doorbell.ringAll()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in loss {}
                if !Task.isCancelled { throw Lost() }
            }
            group.addTask {
                while !Task.isCancelled {
                    try await Task.sleep(for: BusLimits.watchInterval)
                    try await self.lookAtEnds(over: connection)
                }
            }
            group.addTask { try await self.tellNews(over: connection) }
            do {
                try await group.waitForAll()
            } catch is CancellationError {}
        }
    }

    /// A payload is the prefix, the sender and the keys that are rung, between blanks.
    private func hear(_ payload: String) {
        let words = payload.split(separator: " ")
        guard words.count > 2, words[0] == prefix, words[1] != sender else { return }
        for key in words.dropFirst(2) { doorbell.ring(String(key)) }
    }

    private func tellNews(over connection: PostgresConnection) async throws {
        while !Task.isCancelled {
            let rings = doorbell.count([Self.newsKey])
            let news = state.withLock { state in
                defer { state.news = [] }
                return state.news
            }
            if news.isEmpty {
                await doorbell.wait([Self.newsKey], since: rings, timeout: BusLimits.idleFetchInterval)
                continue
            }
            var payloads: [String] = []
            for key in news {
                if let last = payloads.last, last.utf8.count + key.utf8.count < BusLimits.notifyBytes {
                    payloads[payloads.count - 1] += " " + key
                } else {
                    payloads.append("\(prefix) \(sender) \(key)")
                }
            }
            try await connection.query(
                """
                SELECT pg_notify(\(Self.channel), payload)
                FROM unnest(\(BinaryArray.texts(payloads))::text[]) AS payload
                """)
        }
    }

    private func lookAtEnds(over connection: PostgresConnection) async throws {
        let rows = try await connection.query(
            "SELECT topic, partition, next_offset FROM partitions WHERE starts_with(topic, \(stored("")))")
        var ends: [String: Int64] = [:]
        for row in rows {
            let topic = try row.string("topic").dropFirst(stored("").count)
            ends["\(topic)/\(try row.int("partition"))"] = try row.int64("next_offset")
        }
        let before = state.withLock { state in
            defer { state.ends = ends }
            state.health = .answered(.now)
            return state.ends
        }
        for (key, end) in ends where before[key] != end { doorbell.ring(key) }
    }
}
