// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import RunnerAgent

@Suite struct WorkScheduleTests {
    let one = InstanceID("ins_1")
    let two = InstanceID("ins_2")

    @Test func instanceWokenTwiceIsHandedOutOnce() {
        var schedule = WorkSchedule()
        schedule.wake(one)
        schedule.wake(one)
        #expect(schedule.next(now: Sample.start, limit: 9) == one)
        #expect(schedule.next(now: Sample.start, limit: 9) == nil)
    }

    @Test func instanceWokenWhileWorkedOnIsHandedOutAgainAfterwards() {
        var schedule = WorkSchedule()
        schedule.wake(one)
        _ = schedule.next(now: Sample.start, limit: 9)
        schedule.wake(one)
        #expect(schedule.next(now: Sample.start, limit: 9) == nil)
        schedule.finish(one)
        #expect(schedule.next(now: Sample.start, limit: 9) == one)
    }

    @Test func noMoreThanTheLimitIsWorkedOnAtOnce() {
        var schedule = WorkSchedule()
        schedule.wake(one)
        schedule.wake(two)
        #expect(schedule.next(now: Sample.start, limit: 1) == one)
        #expect(schedule.next(now: Sample.start, limit: 1) == nil)
        schedule.finish(one)
        #expect(schedule.next(now: Sample.start, limit: 1) == two)
    }

    @Test func alarmWakesAtItsTimeAndTheEarlierOneCounts() {
        var schedule = WorkSchedule()
        schedule.setAlarm(one, at: Sample.at(10))
        schedule.setAlarm(one, at: Sample.at(5))
        schedule.setAlarm(one, at: Sample.at(20))
        #expect(schedule.nextAlarm == Sample.at(5))
        #expect(schedule.next(now: Sample.at(4), limit: 9) == nil)
        #expect(schedule.next(now: Sample.at(5), limit: 9) == one)
        #expect(schedule.nextAlarm == nil)
    }

    @Test func wakingReplacesTheAlarm() {
        var schedule = WorkSchedule()
        schedule.setAlarm(one, at: Sample.at(5))
        schedule.wake(one)
        #expect(schedule.nextAlarm == nil)
    }

    @Test func alarmDuringWorkIsNotLost() {
        var schedule = WorkSchedule()
        schedule.wake(one)
        _ = schedule.next(now: Sample.start, limit: 9)
        schedule.setAlarm(one, at: Sample.at(1))
        schedule.finish(one)
        #expect(schedule.next(now: Sample.at(1), limit: 9) == one)
    }
}

@Suite struct PendingRecordsTests {
    private func record(_ key: String, _ id: String) -> Record {
        Record(topic: "t", key: key, headers: ["ce_id": id], value: nil)
    }

    @Test func onlyTheLatestOfAKeyIsPublished() {
        var pending = PendingRecords()
        pending.put(record("a", "1"))
        pending.put(record("b", "2"))
        pending.put(record("a", "3"))
        #expect(pending.takeAll().compactMap(\.eventID) == ["3", "2"])
        #expect(pending.isEmpty)
    }

    @Test func failedRecordsComeBackUnlessNewerOnesArrived() {
        var pending = PendingRecords()
        pending.put(record("a", "1"))
        pending.put(record("b", "2"))
        let failed = pending.takeAll()
        pending.put(record("b", "3"))
        pending.putBack(failed)
        #expect(pending.takeAll().compactMap(\.eventID) == ["1", "3"])
    }
}
