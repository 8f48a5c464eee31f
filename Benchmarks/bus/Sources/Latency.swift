// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Logging
import Messaging
import Postgres
import Synchronization

/// Between two measurements, so that the system is idle at each. No divisor of the buses' intervals.
private let pause: Duration = .milliseconds(23)

/// When each of the events measured was handled.
private final class Arrivals: Sendable {
    private let times = Mutex<[String: ContinuousClock.Instant]>([:])
    private let signal = Signal()

    func note(_ id: String) {
        let now = ContinuousClock.now
        times.withLock { $0[id] = now }
        signal.raise()
    }

    func time(of id: String, within limit: Duration = .seconds(10)) async -> ContinuousClock.Instant? {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            let count = signal.count
            if let time = times.withLock({ $0.removeValue(forKey: id) }) { return time }
            await signal.wait(since: count, timeout: limit)
        }
        return nil
    }
}

/// One client publishes single records, another one handles them.
func latency(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    return try await options.withBuses(2) { buses in
        let arrivals = Arrivals()
        let consumer = Task { [bus = buses[1]] in
            try await bus.consume(group: "latency", topics: [eventTopic]) { incoming in
                if let id = incoming.record.eventID { arrivals.note(id) }
            }
        }
        let measured = try await measure(count, arrivals) { number in
            var sample = samples[number % samples.count]
            sample.headers["ce_id"] = "\(number)"
            let begin = ContinuousClock.now
            try await buses[0].publish([sample])
            return ("\(number)", begin)
        }
        consumer.cancel()
        _ = await consumer.result
        return percentiles(measured)
    }
}

/// A service commits a state change with its event; another one handles it in a transaction on its own database.
func outbox(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    let logger = Logger(label: "bench")
    let here = PostgresPool(.init(url: try options.string("database"), name: "bench-here"))
    let elsewhere = PostgresPool(.init(url: try options.string("elsewhere"), name: "bench-elsewhere"))
    let change = Migration(2, "changes", "CREATE TABLE changes (id text PRIMARY KEY)")
    for pool in [here, elsewhere] { try await pool.migrate([Outbox.migration, change]) }
    let figures = try await options.withBuses(2) { buses in
        let arrivals = Arrivals()
        let outbox = Outbox(pool: here, bus: buses[0], source: "/slipway/bench", logger: logger)
        let otherOutbox = Outbox(pool: elsewhere, bus: buses[1], source: "/slipway/bench", logger: logger)
        var handlers = EventHandlers()
        handlers.on(Measured.self) { event, transaction in
            try await transaction.query("INSERT INTO changes VALUES (\(event.data.id))")
        }
        let consumer = EventConsumer(
            bus: buses[1], pool: elsewhere, outbox: otherOutbox, group: "outbox", topics: [Measured.topic],
            handlers: handlers, knownTypes: [Measured.type], logger: logger,
            afterCommit: { arrivals.note($0.key) })
        let parts = [Task { try await outbox.run() }, Task { try await consumer.run() }]
        let run = UInt64.random(in: .min ... .max)
        let measured = try await measure(count, arrivals) { number in
            let event = Measured(id: "\(run)-\(number)", filler: String(repeating: "x", count: 900))
            try await here.withTransaction { transaction in
                try await transaction.query("INSERT INTO changes VALUES (\(event.id))")
                try await outbox.append(event, in: transaction)
            }
            let begin = ContinuousClock.now
            outbox.wake()
            return (event.id, begin)
        }
        for part in parts { part.cancel() }
        for part in parts { _ = await part.result }
        return percentiles(measured)
    }
    for pool in [here, elsewhere] { await pool.close() }
    return figures
}

private struct Measured: EventPayload {
    static let type = "bench.measured.v1"
    static let topic = Topic.builds
    var key: String { id }

    var id: String
    var filler: String
}

/// - Parameter begin: makes one event, and says what it is called and when it began.
private func measure(
    _ count: Int, _ arrivals: Arrivals, _ begin: (Int) async throws -> (String, ContinuousClock.Instant)
) async throws -> [Duration] {
    // The consumer has joined its group when the first one has arrived; some more warm everything up.
    let warmUp = 20
    var durations: [Duration] = []
    for number in 0..<(count + warmUp) {
        let (id, time) = try await begin(number)
        guard let end = await arrivals.time(of: id, within: .seconds(60)) else {
            throw BusError("event \(number) did not arrive within 60 s")
        }
        if number >= warmUp { durations.append(end - time) }
        try await Task.sleep(for: pause)
    }
    return durations
}
