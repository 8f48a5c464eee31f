// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus

/// The life of one reader, on its thread: created, used and destroyed there.
final class ReaderLoop {
    /// A partition that is read.
    final class Partition {
        let slot: Slot
        let lane: Lane
        var flow: PartitionFlow
        /// Taken from librdkafka, not yet in the lane.
        var collected: [HeldMessage] = []
        /// When, on the monotonic clock, the lane was last seen to have handled something or to have nothing to do.
        private(set) var movedAt = monotonicNanoseconds()
        private var handledBefore: Int64 = -1

        init(slot: Slot, lane: Lane, flow: PartitionFlow) {
            self.slot = slot
            self.lane = lane
            self.flow = flow
        }

        deinit { for message in collected { message.giveBack() } }

        func flush() {
            guard !collected.isEmpty else { return }
            lane.push(LaneBatch(collected, topic: slot.topic))
            collected = []
        }

        func observe(_ now: UInt64) {
            guard lane.handled != handledBefore || lane.waiting.records == 0 else { return }
            handledBefore = lane.handled
            movedAt = now
        }
    }

    let client: OpaquePointer
    /// Where the thread waits for handlers, with nothing else to wake it.
    private let waitingRoom: OpaquePointer?
    private let queue: OpaquePointer?
    let context: ClientContext
    let control: ClientControl
    let cluster: Cluster
    let plan: ReadingPlan
    var partitions: [Slot: Partition] = [:]
    /// The partition of the record before: records of a partition come in runs.
    private var latest: (topic: OpaquePointer, partition: Int32, entry: Partition)?
    /// How far partitions were handled that were taken away before the group could be told.
    var untold: [Slot: Int64] = [:]
    private var failure: BusError?
    private var committedAt: UInt64 = 0
    private var upkeepAt: UInt64 = 0
    private var metricsAt: UInt64 = 0

    init(plan: ReadingPlan, cluster: Cluster, context: ClientContext, control: ClientControl) throws {
        self.plan = plan
        self.cluster = cluster
        self.context = context
        self.control = control
        let settings =
            switch plan {
            case .group(let name, _, _):
                cluster.configuration.consumerSettings(group: cluster.stored(name), joins: true)
            case .assigned: cluster.configuration.consumerSettings(group: cluster.stored("readers"), joins: false)
            }
        client = try makeClient(.reader, settings: settings, context: context)
        rd_kafka_poll_set_consumer(client)
        queue = rd_kafka_queue_get_consumer(client)
        waitingRoom = rd_kafka_queue_new(client)
        control.attach([queue, waitingRoom].compactMap { $0 })
    }

    /// Reads until it is stopped.
    ///
    /// - Throws: `BusError` when the client can do no more. It has left the group and is destroyed by then, either way.
    func run() throws {
        context.onRebalance = { [unowned self] code, list in rebalance(code, list) }
        begin()
        while !control.isStopped, failure == nil {
            readBatch()
            regulate()
            let now = monotonicNanoseconds()
            if now >= upkeepAt { upkeep(now) }
            if isDrained, !isTold { commit(now) }
            if let fatal = context.fatal { failure = BusError(fatal) }
        }
        close()
        if let failure { throw failure }
    }

    private func begin() {
        let code: rd_kafka_resp_err_t
        switch plan {
        case .group(_, let topics, _):
            code = withList(topics.map { (cluster.stored($0), RD_KAFKA_PARTITION_UA, 0) }) {
                rd_kafka_subscribe(client, $0)
            }
        case .assigned(let positions, let lane, _):
            let next = positions.next
            for (slot, offset) in next {
                partitions[slot] = Partition(slot: slot, lane: lane, flow: PartitionFlow(start: offset))
            }
            code = withList(next.map { (cluster.stored($0.key.topic), $0.key.partition, $0.value) }) {
                rd_kafka_assign(client, $0)
            }
        }
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { failure = BusError("reading cannot begin: \(KafkaFailure(code))") }
    }

    // MARK: Reading

    private func readBatch() {
        let interval =
            switch (isDrained, isTold) {
            case (true, true): KafkaLimits.pollTimeout
            case (true, false): KafkaLimits.commitIntervalMin
            case (false, _): KafkaLimits.upkeepInterval
            }
        var wait = interval.milliseconds
        var count = 0
        while count < KafkaLimits.pollBatch, let message = rd_kafka_consumer_poll(client, wait) {
            if !keep(message) { rd_kafka_message_destroy(message) }
            wait = 0
            count += 1
        }
        guard count > 0 else { return }
        for partition in partitions.values where !partition.collected.isEmpty {
            context.health.answered()
            partition.flush()
        }
    }

    /// - Returns: whether the message is a record that is to be handled, and owned by its partition from here on.
    private func keep(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> Bool {
        switch message.pointee.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
            guard let partition = partition(of: message) else { return false }
            if !partition.flow.admits(message.pointee.offset) {
                guard isNewLog(of: partition), restart(partition), partition.flow.admits(message.pointee.offset)
                else { return false }
            }
            partition.collected.append(HeldMessage(message))
            return true
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            guard case .assigned(let positions, let lane, true) = plan, let partition = partition(of: message),
                positions.reachedEnd(of: partition.slot)
            else { return false }
            // What was read before comes before the mark, whichever partition it is of.
            for partition in partitions.values { partition.flush() }
            lane.push(LaneBatch([.caughtUp]))
        default: report(message)
        }
        return false
    }

    /// Whether the partition ends before what was read of it: its topic was removed and made again, or cut short. The
    /// fetch that brought the record has told how far it reaches.
    private func isNewLog(of partition: Partition) -> Bool {
        guard let next = partition.flow.next else { return false }
        var (low, high) = (Int64(-1), Int64(-1))
        let code = rd_kafka_get_watermark_offsets(
            client, cluster.stored(partition.slot.topic), partition.slot.partition, &low, &high)
        return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 && high < next
    }

    /// Reads a log that is not the one that was read from its beginning. A group's reader is built anew for it, since
    /// what was handled and committed of the old one means nothing any more.
    ///
    /// - Returns: whether this reader goes on.
    private func restart(_ partition: Partition) -> Bool {
        let text = "\(cluster.stored(partition.slot.topic))/\(partition.slot.partition) was made anew or cut short"
        if case .group = plan {
            failure = failure ?? BusError("\(text): its records are read from the first one")
            return false
        }
        context.logger.warning("a log is read from its beginning again", metadata: ["cause": "\(text)"])
        partition.flow = PartitionFlow(start: Int64(RD_KAFKA_OFFSET_BEGINNING))
        return true
    }

    private func partition(of message: UnsafeMutablePointer<rd_kafka_message_t>) -> Partition? {
        guard let topic = message.pointee.rkt else { return nil }
        let number = message.pointee.partition
        if let latest, latest.topic == topic, latest.partition == number { return latest.entry }
        let slot = Slot(topic: cluster.plain(String(cString: rd_kafka_topic_name(topic))), partition: number)
        guard let entry = partitions[slot] else { return nil }
        latest = (topic, number, entry)
        return entry
    }

    private func report(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        let code = message.pointee.err
        let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
        context.failed(code, reason, on: client)
    }

    /// Pauses partitions whose handlers are behind and goes on with those that have caught up.
    private func regulate() {
        var paused: [(topic: String, partition: Int32, offset: Int64)] = []
        var resumed: [(topic: String, partition: Int32, offset: Int64)] = []
        for partition in partitions.values {
            if !partition.flow.isPaused { stall(for: partition) }
            let waiting = partition.lane.waiting
            let step = partition.flow.step(
                waiting: waiting.records, bytes: waiting.bytes, recordsMax: KafkaLimits.waitingRecords,
                bytesMax: KafkaLimits.waitingBytes)
            let name = cluster.stored(partition.slot.topic)
            switch step {
            case .pause:
                paused.append((name, partition.slot.partition, 0))
                // They may wait long, and would keep from being freed what else came with them.
                partition.lane.copyWaiting()
            case .resume(let offset): resumed.append((name, partition.slot.partition, offset))
            case nil: break
            }
            if partition.flow.isPaused { partition.lane.wakeWhenDown(to: roomWanted(waiting)) }
        }
        if !paused.isEmpty { withList(paused) { _ = rd_kafka_pause_partitions(client, $0) } }
        guard !resumed.isEmpty else { return }
        withList(resumed) { list in
            rd_kafka_resume_partitions(client, list)
            // Resuming alone does not wake the thread that fetches; seeking does. It also names the offset.
            if let error = rd_kafka_seek_partitions(client, list, 0) { rd_kafka_error_destroy(error) }
        }
    }

    /// Holds still for a handler that is merely a little slower than the network: a pause throws away what librdkafka
    /// holds of the partition, to be fetched again.
    private func stall(for partition: Partition) {
        let start = monotonicNanoseconds()
        while isFull(partition), !control.isStopped {
            let othersWait = partitions.values.contains { $0.lane.waiting.records == 0 }
            let limit = othersWait ? KafkaLimits.stallWhileOthersWait : KafkaLimits.stallWhileAllAreBusy
            if monotonicNanoseconds() - start >= limit.nanoseconds { return }
            partition.lane.wakeWhenDown(to: KafkaLimits.waitingRecords / 2)
            rest(KafkaLimits.stallWhileOthersWait)
        }
    }

    private func isFull(_ partition: Partition) -> Bool {
        let waiting = partition.lane.waiting
        return waiting.records >= KafkaLimits.waitingRecords || waiting.bytes >= KafkaLimits.waitingBytes
    }

    /// Where the bytes are the limit, a few large records may be all there are.
    private func roomWanted(_ waiting: (records: Int, bytes: Int)) -> Int {
        waiting.bytes > KafkaLimits.waitingBytes / 2
            ? min(waiting.records / 2, KafkaLimits.waitingRecords / 2) : KafkaLimits.waitingRecords / 2
    }

    /// Sleeps until it is woken, at most for `duration`.
    func rest(_ duration: Duration) {
        if let event = rd_kafka_queue_poll(waitingRoom, max(1, duration.milliseconds)) { rd_kafka_event_destroy(event) }
    }

    // MARK: Upkeep

    private func upkeep(_ now: UInt64) {
        upkeepAt = now + KafkaLimits.upkeepInterval.nanoseconds
        if case .group = plan { storeOffsets() }
        savePositions()
        for partition in partitions.values {
            partition.observe(now)
            if now - partition.movedAt > KafkaLimits.heldMax.nanoseconds { partition.lane.copyWaiting() }
        }
        guard now >= metricsAt else { return }
        metricsAt = now + KafkaLimits.metricsInterval.nanoseconds
        if case .group(let group, _, _) = plan { reportMetrics(group, now) }
    }

    /// Whether handlers have nothing left to do.
    private var isDrained: Bool { partitions.values.allSatisfy { $0.lane.waiting.records == 0 } }

    /// Whether the group was told of everything that was handled, or is none.
    private var isTold: Bool {
        guard case .group = plan else { return true }
        return partitions.values.allSatisfy { $0.flow.isReported(handled: $0.lane.handled) }
    }

    private func commit(_ now: UInt64) {
        guard now - committedAt >= KafkaLimits.commitIntervalMin.nanoseconds else { return }
        committedAt = now
        storeOffsets()
        // Does not wait. Should it fail, librdkafka tries again at its next interval.
        rd_kafka_commit(client, nil, 1)
    }

    /// Leaves to librdkafka, which commits them, the offsets of what was handled.
    private func storeOffsets() {
        let offsets = partitions.values.compactMap { partition in
            partition.flow.offsetToReport(handled: partition.lane.handled)
                .map { (cluster.stored(partition.slot.topic), partition.slot.partition, $0) }
        }
        // Fails for a partition that was taken away: its new owner is told by what was committed before.
        if !offsets.isEmpty { withList(offsets) { _ = rd_kafka_offsets_store(client, $0) } }
    }

    private func savePositions() {
        guard case .assigned(let positions, _, _) = plan else { return }
        for partition in partitions.values {
            if let next = partition.flow.next { positions.move(partition.slot, to: next) }
        }
    }

    private func reportMetrics(_ group: String, _ now: UInt64) {
        var oldest: UInt64 = 0
        for partition in partitions.values {
            let lane = partition.lane
            let handled = lane.takeHandledCount()
            if handled > 0 { context.metrics.handled(handled, group: group, topic: lane.topic) }
            oldest = max(oldest, now - partition.movedAt)
            var (low, high) = (Int64(-1), Int64(-1))
            // Known from the fetches: no broker is asked.
            let code = rd_kafka_get_watermark_offsets(
                client, cluster.stored(partition.slot.topic), partition.slot.partition, &low, &high)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0, let next = partition.flow.next else { continue }
            let position = lane.handled >= 0 ? lane.handled : next - Int64(lane.waiting.records)
            context.metrics.lag(
                max(0, high - position), group: group, topic: lane.topic, partition: Int(partition.slot.partition))
        }
        context.metrics.oldestInFlight(seconds: Double(oldest) / 1_000_000_000, group: group)
    }

    // MARK: The end

    private func close() {
        letGo(commits: failure == nil)
        savePositions()
        // Before the client goes it has to have back what it handed out.
        if case .assigned(_, let lane, _) = plan { lane.detach() }
        partitions = [:]
        forgetLatest()
        // Rebalance callbacks run in here. A queue of its own: forwarded to itself, the consumer's would lock up.
        let closing = rd_kafka_queue_new(client)
        if let error = rd_kafka_consumer_close_queue(client, closing) {
            rd_kafka_error_destroy(error)
        } else {
            let deadline = monotonicNanoseconds() + KafkaLimits.closeTimeout.nanoseconds
            while rd_kafka_consumer_closed(client) == 0, monotonicNanoseconds() < deadline {
                if let message = rd_kafka_consume_queue(closing, KafkaLimits.adminSlice.milliseconds) {
                    rd_kafka_message_destroy(message)
                }
            }
        }
        let isClosed = rd_kafka_consumer_closed(client) != 0
        control.detach()
        rd_kafka_queue_destroy(closing)
        rd_kafka_queue_destroy(waitingRoom)
        rd_kafka_queue_destroy(queue)
        rd_kafka_destroy_flags(client, isClosed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        context.onRebalance = nil
    }

    func forgetLatest() { latest = nil }
}
