// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Synchronization

/// Which instances are to be looked at, and when. Each is worked on by one worker at a time; an instance that is woken
/// while it is worked on is looked at again afterwards. A value: `WorkQueue` shares it.
struct WorkSchedule: Sendable {
    private(set) var waiting: [InstanceID] = []
    private var isWaiting: Set<InstanceID> = []
    private(set) var running: Set<InstanceID> = []
    private var wokenWhileRunning: Set<InstanceID> = []
    private(set) var alarms: [InstanceID: Timestamp] = [:]

    init() {}

    mutating func wake(_ instance: InstanceID) {
        alarms[instance] = nil
        if running.contains(instance) {
            wokenWhileRunning.insert(instance)
        } else if isWaiting.insert(instance).inserted {
            waiting.append(instance)
        }
    }

    /// Wakes the instance at `time`, unless it is woken before.
    mutating func setAlarm(_ instance: InstanceID, at time: Timestamp) {
        alarms[instance] = min(alarms[instance] ?? time, time)
    }

    /// Takes the instance that waits longest; `nil` when none does or `limit` run already.
    mutating func next(now: Timestamp, limit: Int) -> InstanceID? {
        for (instance, time) in alarms where time <= now { wake(instance) }
        guard running.count < limit, !waiting.isEmpty else { return nil }
        let instance = waiting.removeFirst()
        isWaiting.remove(instance)
        running.insert(instance)
        return instance
    }

    mutating func finish(_ instance: InstanceID) {
        running.remove(instance)
        if wokenWhileRunning.remove(instance) != nil { wake(instance) }
    }

    var nextAlarm: Timestamp? { alarms.values.min() }
}

final class WorkQueue: Sendable {
    private struct Contents {
        var schedule = WorkSchedule()
        /// Raised when a running instance is woken: its worker may be waiting for something slow.
        var interrupts: [InstanceID: Signal] = [:]
    }

    private let contents = Mutex(Contents())
    private let bell = Signal()

    func wake(_ instance: InstanceID) {
        let interrupt = contents.withLock { contents in
            contents.schedule.wake(instance)
            return contents.interrupts[instance]
        }
        interrupt?.raise()
        bell.raise()
    }

    func setAlarm(_ instance: InstanceID, at time: Timestamp) {
        contents.withLock { $0.schedule.setAlarm(instance, at: time) }
        bell.raise()
    }

    /// Hands each due instance to `work`, at most `limit` at a time, until cancelled. `work` gets a signal that is
    /// raised when its instance is woken meanwhile.
    func run(limit: Int, work: @escaping @Sendable (InstanceID, Signal) async -> Void) async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let rings = bell.count
                while let (instance, interrupt) = take(limit: limit) {
                    group.addTask {
                        await work(instance, interrupt)
                        self.finish(instance)
                    }
                }
                await bell.wait(since: rings, timeout: untilNextAlarm())
            }
        }
    }

    private func take(limit: Int) -> (InstanceID, Signal)? {
        contents.withLock { contents in
            guard let instance = contents.schedule.next(now: .now(), limit: limit) else { return nil }
            let interrupt = Signal()
            contents.interrupts[instance] = interrupt
            return (instance, interrupt)
        }
    }

    private func finish(_ instance: InstanceID) {
        contents.withLock { contents in
            contents.interrupts[instance] = nil
            contents.schedule.finish(instance)
        }
        bell.raise()
    }

    private func untilNextAlarm() -> Duration {
        let next = contents.withLock { $0.schedule.nextAlarm }
        guard let next else { return RunnerLimits.resyncInterval }
        return min(max(.zero, next.since(.now())), RunnerLimits.resyncInterval)
    }
}
