// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Synchronization

func prepare(_ options: Options) async throws -> Figures {
    try await options.withBuses { _ in [] }
}

/// Publishes `count` records with several calls at once, as the parts of a service do.
private func publish(_ count: Int, on bus: any EventBus) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for call in 0..<calls {
            group.addTask {
                for start in stride(from: call * callRecords, to: count, by: calls * callRecords) {
                    let wanted = min(callRecords, count - start)
                    try await bus.publish((0..<wanted).map { samples[(start + $0) % samples.count] })
                }
            }
        }
        try await group.waitForAll()
    }
}

func produce(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    return try await options.withBuses { buses in
        // Connections and topics are known before the clock starts.
        try await publish(calls * callRecords, on: buses[0])
        let begin = Usage()
        try await publish(count, on: buses[0])
        return begin.figures(records: count)
    }
}

/// From the first record to the last: joining the group is not part of it. CPU counts from the start of the process,
/// since records are received before the first is handed over.
func consume(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    let group = try options.string("group")
    return try await options.withBuses { buses in
        let bus = buses[0]
        let state = Mutex<(handled: Int, begin: Usage?, figures: Figures)>((0, nil, []))
        let finish = Finish()
        let consumer = Task {
            try await bus.consume(group: group, topics: [eventTopic]) { _ in
                state.withLock { state in
                    if state.begin == nil { state.begin = .sinceStart }
                    state.handled += 1
                    if state.handled == count {
                        state.figures = state.begin?.figures(records: count) ?? []
                        finish.reach()
                    }
                }
            }
        }
        try await finish.wait(for: "\(count) records to be handled")
        consumer.cancel()
        _ = await consumer.result
        return state.withLock { $0.figures }
    }
}

/// Publishes at full speed while as many members as there are partitions handle, until all is handled.
func sustained(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    let group = try options.string("group")
    let members = eventTopic.partitions
    return try await options.withBuses(members + 1) { buses in
        let tally = Tally(members: members)
        let finish = Finish()
        var consumers: [Task<Void, any Error>] = []
        for (member, bus) in buses.dropFirst().enumerated() {
            let consumer = Task {
                try await bus.consume(group: group, topics: [eventTopic]) { _ in
                    if tally.count(member) { finish.reach() }
                }
            }
            consumers.append(consumer)
        }
        var published = 0
        let deadline = ContinuousClock.now + .seconds(60)
        while tally.isAnyIdle || tally.sum < published {
            if ContinuousClock.now > deadline { throw BusError("not every member got a partition within 60 s") }
            if tally.sum >= published {
                // Enough keys for every partition.
                try await publish(callRecords, on: buses[0])
                published += callRecords
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        tally.target = published + count
        let begin = Usage()
        try await publish(count, on: buses[0])
        let publishing = begin.figures(records: count)
        try await finish.wait(for: "all records to be handled")
        let figures = begin.figures(records: count)
        for consumer in consumers { consumer.cancel() }
        for consumer in consumers { _ = await consumer.result }
        return figures + [("publish_rate", publishing[0].1)]
    }
}

/// What each member of a group has handled.
private final class Tally: Sendable {
    private let state: Mutex<(handled: [Int], target: Int)>

    init(members: Int) { state = Mutex((Array(repeating: 0, count: members), .max)) }

    var sum: Int { state.withLock { $0.handled.reduce(0, +) } }
    var isAnyIdle: Bool { state.withLock { $0.handled.contains(0) } }
    var target: Int {
        get { state.withLock { $0.target } }
        set { state.withLock { $0.target = newValue } }
    }

    /// - Returns: whether the record was the last that is waited for.
    func count(_ member: Int) -> Bool {
        state.withLock { state in
            state.handled[member] += 1
            return state.handled.reduce(0, +) == state.target
        }
    }
}
