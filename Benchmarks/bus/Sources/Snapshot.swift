// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import FoundationEssentials
import Synchronization

func fillStates(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    return try await options.withBuses { buses in
        let begin = Usage()
        for start in stride(from: 0, to: count, by: 1_000) {
            try await buses[0].publish((start..<min(start + 1_000, count)).map { record(stateTopic, $0) })
        }
        return begin.figures(records: count)
    }
}

/// From the call to the mark, by a client that has just been made. `peak_mb` is what the process had at most.
func snapshot(_ options: Options) async throws -> Figures {
    let count = try options.int("count")
    let before = memory("VmRSS")
    return try await options.withBuses { buses in
        let bus = buses[0]
        let keys = Mutex<Set<String>>([])
        let finish = Finish()
        let begin = ContinuousClock.now
        let follower = Task {
            try await bus.follow(stateTopic, partitionKey: nil) { event in
                switch event {
                case .record(let record): _ = keys.withLock { $0.insert(record.key) }
                case .caughtUp: finish.reach()
                }
            }
        }
        try await finish.wait(for: "the mark")
        let seconds = (ContinuousClock.now - begin).inSeconds
        let peak = memory("VmHWM")
        follower.cancel()
        _ = await follower.result
        let seen = keys.withLock { $0.count }
        guard seen == count else { throw BusError("the follower saw \(seen) keys before the mark, expected \(count)") }
        return [("seconds", seconds), ("before_mb", before), ("peak_mb", peak)]
    }
}

/// Megabytes that /proc/self/status has under `name`.
private func memory(_ name: String) -> Double {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
    let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Double($0) }
    return (kilobytes ?? 0) / 1000
}
