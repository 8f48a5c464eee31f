// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle

/// Membership of a group, without a coordinator.
///
/// Each member keeps one session open. On it, it holds a *shared* advisory lock that stands for "I am in the group",
/// so the members are the sessions that hold it, and an *exclusive* one for each partition it handles, so no two
/// members handle a partition at once. Partition `p` is due to the member whose session has rank `p mod members`.
/// Postgres drops the locks the moment a member's session ends, however it ends, and the others take over.
///
/// Each take-over raises the partition's epoch, and an offset is committed only under the epoch it was read with: a
/// member that was cut off and still runs cannot move the group back.
extension PostgresEventBus {
    public func consume(
        group: String, topics: [Topic], handler: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {
        await cancelWhenGracefulShutdown {
            var backOff = BusLimits.reconnectBackOffMin
            while !Task.isCancelled {
                do {
                    let session = try await PostgresConnection.connect(
                        to: self.pool.configuration.url, name: "\(self.pool.configuration.name)-\(group)")
                    backOff = BusLimits.reconnectBackOffMin
                    let member = GroupMember(
                        bus: self, group: group, topics: topics, session: session, handler: handler)
                    let result: Result<Void, any Error>
                    do { result = .success(try await member.run()) } catch { result = .failure(error) }
                    await session.close()
                    try result.get()
                } catch is CancellationError {
                    return
                } catch {
                    if Task.isCancelled { return }
                    self.logger.warning(
                        "group membership lost, joining again", metadata: ["group": "\(group)", "error": "\(error)"])
                    try? await Task.sleep(for: backOff)
                    backOff = min(backOff * 2, BusLimits.reconnectBackOffMax)
                }
            }
        }
    }
}

private struct Slot: Hashable, Sendable {
    let topic: Topic
    let partition: Int
}

private struct GroupMember: Sendable {
    let bus: PostgresEventBus
    let group: String
    let topics: [Topic]
    let session: PostgresConnection
    let handler: @Sendable (IncomingRecord) async throws -> Void

    private var groupName: String { "group/\(bus.stored(group))" }

    /// Runs until cancelled, or throws when the session is lost.
    func run() async throws {
        try await session.query("SELECT pg_advisory_lock_shared(hashtextextended(\(groupName), 0))")
        let slots = topics.flatMap { topic in (0..<topic.partitions).map { Slot(topic: topic, partition: $0) } }
        var running: [Slot: Task<Void, Never>] = [:]
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await rebalanceForever(slots, &running))
        } catch {
            outcome = .failure(error)
        }
        // Workers are tasks of their own so that one can be ended without the others; they never outlive this call.
        for worker in running.values { worker.cancel() }
        for worker in running.values { await worker.value }
        try outcome.get()
    }

    private func rebalanceForever(_ slots: [Slot], _ running: inout [Slot: Task<Void, Never>]) async throws {
        while !Task.isCancelled {
            let due = try await slotsDue(of: slots)
            for (slot, worker) in running where !due.contains(slot) {
                // The worker finishes the record it is on; only then may another member begin.
                worker.cancel()
                await worker.value
                running[slot] = nil
                try await session.query("SELECT pg_advisory_unlock(hashtextextended(\(lockName(slot)), 0))")
            }
            for slot in slots where due.contains(slot) && running[slot] == nil {
                guard let start = try await takeOver(slot) else { continue }
                running[slot] = Task { await work(slot, from: start) }
            }
            do {
                try await Task.sleep(for: BusLimits.membershipInterval)
            } catch {
                return
            }
        }
    }

    private func lockName(_ slot: Slot) -> String {
        "partition/\(bus.stored(group))/\(slot.topic.name)/\(slot.partition)"
    }

    private func slotsDue(of slots: [Slot]) async throws -> Set<Slot> {
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

    /// - Returns: where to go on, or `nil` while the partition's former owner has not let go.
    private func takeOver(_ slot: Slot) async throws -> (offset: Int64, epoch: Int64)? {
        let locked = try await session.query(
            "SELECT pg_try_advisory_lock(hashtextextended(\(lockName(slot)), 0)) AS locked")
        guard try locked.first?.bool("locked") == true else { return nil }
        let rows = try await session.query(
            """
            INSERT INTO offsets ("group", topic, partition, epoch)
            VALUES (\(group), \(bus.stored(slot.topic.name)), \(slot.partition), 1)
            ON CONFLICT ("group", topic, partition) DO UPDATE SET epoch = offsets.epoch + 1
            RETURNING "offset", epoch
            """)
        guard let row = rows.first else { throw BusError("offsets cannot be read") }
        return (try row.int64("offset"), try row.int64("epoch"))
    }

    private func work(_ slot: Slot, from start: (offset: Int64, epoch: Int64)) async {
        var next = start.offset
        var committed = start.offset
        var backOff = BusLimits.handlerBackOffMin
        while !Task.isCancelled {
            let rings = bus.doorbell.count([slot.topic.name])
            do {
                let batch = try await bus.fetch(slot.topic, partition: slot.partition, from: next)
                do {
                    for incoming in batch {
                        if Task.isCancelled { break }
                        try await handler(incoming)
                        next = incoming.offset + 1
                    }
                } catch {
                    try await commit(slot, next, epoch: start.epoch, after: &committed)
                    throw error
                }
                try await commit(slot, next, epoch: start.epoch, after: &committed)
                backOff = BusLimits.handlerBackOffMin
                if batch.count == BusLimits.fetchBatch { continue }
            } catch is FencedError {
                bus.logger.notice("partition was taken over", metadata: ["group": "\(group)"])
                return
            } catch {
                if Task.isCancelled { return }
                bus.logger.warning(
                    "handling failed, trying again",
                    metadata: ["group": "\(group)", "topic": "\(slot.topic.name)", "error": "\(error)"])
                try? await Task.sleep(for: backOff)
                backOff = min(backOff * 2, BusLimits.handlerBackOffMax)
                continue
            }
            await bus.doorbell.wait([slot.topic.name], since: rings, timeout: BusLimits.pollInterval)
        }
    }

    private struct FencedError: Error {}

    private func commit(_ slot: Slot, _ offset: Int64, epoch: Int64, after committed: inout Int64) async throws {
        guard offset > committed else { return }
        let rows = try await bus.pool.query(
            """
            UPDATE offsets SET "offset" = \(offset)
            WHERE "group" = \(group) AND topic = \(bus.stored(slot.topic.name)) AND partition = \(slot.partition)
                AND epoch = \(epoch)
            RETURNING 1 AS ok
            """)
        if rows.isEmpty { throw FencedError() }
        committed = offset
    }
}
