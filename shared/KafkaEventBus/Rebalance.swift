// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Logging

/// What a member of a group does when partitions come and go. Eager protocol: all go before any come.
extension ReaderLoop {
    /// Called inside of the poll. Whatever happens in between, each call ends in `rd_kafka_assign`: librdkafka waits
    /// for it.
    func rebalance(_ code: rd_kafka_resp_err_t, _ list: ClientContext.OpaqueList) {
        switch code {
        case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
            assign(list)
        default:
            // Of partitions that were lost others may be the owners already: there is nothing to commit.
            letGo(commits: code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && rd_kafka_assignment_lost(client) == 0)
            rd_kafka_assign(client, nil)
        }
    }

    private func assign(_ list: ClientContext.OpaqueList) {
        guard case .group(let group, _, let handler) = plan else { return }
        let entries = UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt))
        for entry in entries {
            let slot = Slot(topic: cluster.plain(String(cString: entry.topic)), partition: entry.partition)
            let lane = Lane(group: group, topic: slot.topic, logger: context.logger) { [control] in control.wake() }
            partitions[slot] = Partition(slot: slot, lane: lane, flow: PartitionFlow(floor: untold[slot] ?? -1))
        }
        untold = [:]
        let code = rd_kafka_assign(client, list)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            partitions = [:]
            return context.failed(code, "partitions cannot be taken over", on: client)
        }
        for partition in partitions.values { partition.lane.start(handler) }
        context.logger.debug("partitions assigned", metadata: ["group": "\(group)", "count": "\(entries.count)"])
    }

    /// Ends the handling of all partitions and, with `commits`, tells the group how far it came.
    func letGo(commits: Bool) {
        guard case .group(let group, _, _) = plan, !partitions.isEmpty else { return }
        let lanes = partitions.values.map(\.lane)
        for lane in lanes { lane.stop() }
        context.logger.debug("partitions let go", metadata: ["group": "\(group)", "count": "\(lanes.count)"])
        if !wait(for: lanes, KafkaLimits.handlerGrace) {
            for lane in lanes where !lane.isFinished { lane.cancelHandler() }
            if !wait(for: lanes, KafkaLimits.handlerCancelGrace) {
                for lane in lanes where !lane.isFinished {
                    context.logger.error(
                        "a handler does not end, its partition is given away: another may handle its record as well",
                        metadata: ["group": "\(group)", "topic": "\(lane.topic)"])
                }
                context.metrics.failed("rebalance")
            }
        }
        for lane in lanes { lane.finishTaking() }
        let handled = partitions.mapValues(\.lane.handled).filter { $0.value >= 0 }
        untold = commits && commit(handled, group) ? [:] : handled
        for lane in lanes {
            let handled = lane.takeHandledCount()
            if handled > 0 { context.metrics.handled(handled, group: group, topic: lane.topic) }
        }
        // From here on another member tells how far they are behind.
        for slot in partitions.keys {
            context.metrics.lag(0, group: group, topic: slot.topic, partition: Int(slot.partition))
        }
        context.metrics.oldestInFlight(seconds: 0, group: group)
        partitions = [:]
        forgetLatest()
    }

    /// - Returns: whether all have finished.
    private func wait(for lanes: [Lane], _ grace: Duration) -> Bool {
        let deadline = monotonicNanoseconds() + grace.nanoseconds
        while lanes.contains(where: { !$0.isFinished }) {
            if monotonicNanoseconds() >= deadline { return false }
            rest(KafkaLimits.adminSlice)
        }
        return true
    }

    /// Commits what was handled and waits, within limits, for the broker's word. Without it others handle again what
    /// was handled here since the last commit.
    ///
    /// - Returns: whether the group knows now.
    private func commit(_ handled: [Slot: Int64], _ group: String) -> Bool {
        guard !handled.isEmpty else { return true }
        let offsets = handled.map { (cluster.stored($0.key.topic), $0.key.partition, $0.value) }
        final class Outcome { var code: rd_kafka_resp_err_t? }
        let outcome = Outcome()
        let answers = rd_kafka_queue_new(client)
        let code = withExtendedLifetime(outcome) {
            let code = withList(offsets) { list in
                // Giving partitions up commits what is stored, after this and even where that is behind it.
                _ = rd_kafka_offsets_store(client, list)
                return rd_kafka_commit_queue(
                    client, list, answers,
                    { _, code, _, opaque in
                        guard let opaque else { return }
                        Unmanaged<Outcome>.fromOpaque(opaque).takeUnretainedValue().code = code
                    }, Unmanaged.passUnretained(outcome).toOpaque())
            }
            let deadline = monotonicNanoseconds() + KafkaLimits.commitTimeout.nanoseconds
            while code == RD_KAFKA_RESP_ERR_NO_ERROR, outcome.code == nil, monotonicNanoseconds() < deadline {
                rd_kafka_queue_poll_callback(answers, KafkaLimits.adminSlice.milliseconds)
            }
            // With the queue goes an answer that comes later: nothing calls back after this.
            rd_kafka_queue_destroy(answers)
            return code == RD_KAFKA_RESP_ERR_NO_ERROR ? outcome.code ?? RD_KAFKA_RESP_ERR__TIMED_OUT : code
        }
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR__NO_OFFSET else { return true }
        context.metrics.failed("commit")
        context.logger.warning(
            "what was handled last cannot be committed and will be handled again",
            metadata: ["group": "\(group)", "error": "\(KafkaFailure(code))"])
        return false
    }
}
