// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// Membership of a group, without a coordinator.
///
/// Each member keeps one session open. On it, it holds a *shared* advisory lock that stands for "I am in the group",
/// so the members are the sessions that hold it, and an *exclusive* one for each partition it handles, so no two
/// members handle a partition at once. Partition `p` is due to the member whose session has rank `p mod members`.
/// Postgres drops the locks the moment a member's session ends, however it ends, and the others take over.
///
/// Two things guard against a member that was cut off and still runs. It stops handling when the database has not
/// answered it for `BusLimits.lease`, which is before the database gives its session up. And each take-over raises the
/// partition's epoch, and an offset is committed only over the member's session, under the epoch it was read with.
final class GroupMember: Sendable {
    struct Fenced: Error {}

    private struct State {
        var workers: [Slot: PartitionWorker] = [:]
        /// The database's last answer is to a question asked then.
        var confirmed = ContinuousClock.now
        var loss: String?
        var hasWorked = false
    }

    let bus: PostgresEventBus
    let group: String
    let handler: @Sendable (IncomingRecord) async throws -> Void
    private let slots: [Slot]
    private let session: PostgresConnection
    private let state = Mutex(State())

    init(
        _ bus: PostgresEventBus, group: String, slots: [Slot], session: PostgresConnection,
        handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) {
        self.bus = bus
        self.group = group
        self.slots = slots
        self.session = session
        self.handler = handler
    }

    /// What the members ring for each other.
    private var bell: String { "group/\(group)" }
    private var groupName: String { "group/\(bus.stored(group))" }
    private func lockName(_ slot: Slot) -> String { "partition/\(bus.stored(group))/\(slot.key)" }

    /// It got so far as to have the database's answer.
    var hasWorked: Bool { state.withLock { $0.hasWorked } }

    /// Runs until cancelled, or throws when the session is lost. No handler runs any more when it returns.
    func run() async throws {
        try await session.listen([]) { notification in
            if notification.channel.isEmpty { self.lose("the session was lost") }
        }
        try await session.query(
            """
            SELECT set_config('tcp_keepalives_idle', \(BusLimits.keepaliveIdleSeconds)::text, false),
                set_config('tcp_keepalives_interval', \(BusLimits.keepaliveIntervalSeconds)::text, false),
                set_config('tcp_keepalives_count', \(BusLimits.keepaliveCount)::text, false)
            """)
        try await session.query("SELECT pg_advisory_lock_shared(hashtextextended(\(groupName), 0))")
        bus.announce([bell])
        let watchdog = Task { await self.watchLease() }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await rebalanceForever()) } catch { outcome = .failure(error) }
        watchdog.cancel()
        await endWorkers(gracefully: Task.isShuttingDownGracefully)
        if case .success = outcome { _ = try? await session.query("SELECT pg_advisory_unlock_all()") }
        bus.announce([bell])
        try outcome.get()
    }

    // MARK: The lease

    /// Ends the handling of everything at once: others may be about to take over.
    private func lose(_ cause: String) {
        let workers = state.withLock { state in
            if state.loss == nil { state.loss = cause }
            return Array(state.workers.values)
        }
        for worker in workers { worker.abort() }
        bus.doorbell.ring(bell)
    }

    /// No record may be begun once this is over.
    var isHeld: Bool {
        state.withLock { $0.loss == nil && ContinuousClock.now - $0.confirmed < BusLimits.lease }
    }

    private func watchLease() async {
        while !Task.isCancelled {
            let end = state.withLock { $0.confirmed } + BusLimits.lease
            if ContinuousClock.now >= end { return lose("the database does not answer") }
            try? await Task.sleep(until: end)
        }
    }

    // MARK: Partitions

    private func rebalanceForever() async throws {
        while !Task.isCancelled {
            let rings = bus.doorbell.count([bell])
            let asked = ContinuousClock.now
            let due = try await slotsDue()
            state.withLock { state in
                state.confirmed = asked
                state.hasWorked = true
            }
            try await release(notDue: due)
            try await takeOver(due)
            report()
            await bus.doorbell.wait([bell], since: rings, timeout: BusLimits.membershipInterval)
            if let loss = state.withLock({ $0.loss }) { throw BusError(loss) }
        }
    }

    private func slotsDue() async throws -> Set<Slot> {
        let rows = try await session.query(
            """
            WITH me AS (SELECT pg_backend_pid() AS pid), wanted AS (SELECT hashtextextended(\(groupName), 0) AS key)
            SELECT count(*) AS members, count(*) FILTER (WHERE locks.pid < me.pid) AS rank
            FROM pg_locks AS locks, me, wanted
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid = ((wanted.key >> 32) & 4294967295)::oid AND objid = (wanted.key & 4294967295)::oid
            """)
        guard let row = rows.first else { return [] }
        let members = max(1, try row.int("members"))
        let rank = try row.int("rank")
        return Set(slots.enumerated().filter { $0.offset % members == rank }.map(\.element))
    }

    /// Asks the workers of what is not `due` to end, and lets go of the partitions of those that have ended.
    private func release(notDue due: Set<Slot>) async throws {
        let (leaving, ended) = state.withLock { state in
            let leaving = state.workers.filter { !due.contains($0.key) }
            for worker in leaving.values { worker.stop() }
            let ended = state.workers.filter { $0.value.hasEnded }.map(\.key)
            for slot in ended { state.workers[slot] = nil }
            return (leaving.count, ended)
        }
        if leaving > 0 {
            bus.logger.debug("partitions let go", metadata: ["group": "\(group)", "count": "\(leaving)"])
        }
        if ended.isEmpty { return }
        try await session.query(
            """
            SELECT pg_advisory_unlock(hashtextextended(name, 0))
            FROM unnest(\(BinaryArray.texts(ended.map(lockName)))::text[]) AS name
            """)
        for slot in ended { bus.metrics.lag(0, group: group, topic: slot.topic.name, partition: slot.partition) }
        bus.announce([bell])
    }

    /// Takes what is `due` and not held, unless its former owner has not let go.
    private func takeOver(_ due: Set<Slot>) async throws {
        let wanted = state.withLock { state in due.filter { state.workers[$0] == nil } }.sorted()
        if wanted.isEmpty { return }
        let locks = try await session.query(
            """
            SELECT number, pg_try_advisory_lock(hashtextextended(name, 0)) AS locked
            FROM unnest(\(BinaryArray.texts(wanted.map(lockName)))::text[]) WITH ORDINALITY AS lock (name, number)
            """)
        let taken = try locks.filter { try $0.bool("locked") }.map { wanted[try $0.int("number") - 1] }
        if taken.isEmpty { return }
        let rows = try await session.query(
            """
            INSERT INTO offsets ("group", topic, partition, epoch)
            SELECT \(bus.stored(group)), topic, partition, 1
            FROM unnest(
                \(BinaryArray.texts(taken.map { bus.stored($0.topic.name) }))::text[],
                \(BinaryArray.ints(taken.map { Int32($0.partition) }))::int[]) AS taken (topic, partition)
            ORDER BY topic, partition
            ON CONFLICT ("group", topic, partition) DO UPDATE SET epoch = offsets.epoch + 1
            RETURNING topic, partition, "offset", epoch
            """)
        let slots = Dictionary(uniqueKeysWithValues: taken.map { (bus.stored($0.key), $0) })
        for row in rows {
            guard let slot = slots["\(try row.string("topic"))/\(try row.int("partition"))"] else { continue }
            let worker = PartitionWorker(
                self, slot, from: try row.int64("offset"), epoch: try row.int64("epoch"))
            let isLost = state.withLock { state in
                state.workers[slot] = worker
                return state.loss != nil
            }
            if !isLost { worker.start { [bus, bell] in bus.doorbell.ring(bell) } }
        }
    }

    /// Records that everything before `offset` has been handled.
    ///
    /// - Throws: `Fenced` when the partition was taken over.
    func commit(_ slot: Slot, _ offset: Int64, epoch: Int64) async throws {
        do {
            // Offsets need not be durable at once: a crash of the server gives out again what was handled just before.
            let rows = try await session.query(
                """
                WITH hastened AS (SELECT set_config('synchronous_commit', 'off', true) AS setting)
                UPDATE offsets SET "offset" = \(offset) FROM hastened
                WHERE "group" = \(bus.stored(group)) AND topic = \(bus.stored(slot.topic.name))
                    AND partition = \(slot.partition) AND epoch = \(epoch) AND setting = 'off'
                RETURNING 1 AS ok
                """)
            if rows.isEmpty { throw Fenced() }
        } catch let error as PostgresError where error.code == .closed {
            lose("the session was lost")
            throw error
        }
    }

    private func endWorkers(gracefully: Bool) async {
        let workers = state.withLock { Array($0.workers.values) }
        for worker in workers { if gracefully { worker.stop() } else { worker.abort() } }
        let deadline = Task {
            try await Task.sleep(for: BusLimits.handlerGrace)
            for worker in workers { worker.abort() }
        }
        for worker in workers { await worker.ended() }
        deadline.cancel()
        state.withLock { $0.workers = [:] }
        bus.metrics.oldestInFlight(seconds: 0, group: group)
    }

    private func report() {
        let workers = state.withLock { Array($0.workers.values) }
        let ends = bus.state.withLock { $0.ends }
        let now = ContinuousClock.now
        var oldest: Duration = .zero
        for worker in workers {
            let (next, began) = worker.progress
            if let began { oldest = max(oldest, now - began) }
            guard let end = ends[worker.slot.key] else { continue }
            bus.metrics.lag(
                max(0, end - next), group: group, topic: worker.slot.topic.name, partition: worker.slot.partition)
        }
        bus.metrics.oldestInFlight(seconds: oldest.inSeconds, group: group)
    }
}
