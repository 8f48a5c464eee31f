// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Postgres
import Synchronization

/// Writes what several callers publish at once in one transaction, one transaction at a time: while one is being made
/// durable, the next gathers. So many small calls cost about as much as few large ones.
final class Publisher: Sendable {
    private struct Waiting {
        let id: Int
        let batch: PublishBatch
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var nextID = 0
        var waiting: [Waiting] = []
        var isWriting = false
    }

    private let state = Mutex(State())
    private let write: @Sendable (PublishBatch) async throws -> Void

    init(write: @escaping @Sendable (PublishBatch) async throws -> Void) { self.write = write }

    /// Calls whose records are not being written yet.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Returns when `batch` is durable. Cancellation lets go of it only before it is being written.
    func publish(_ batch: PublishBatch) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isRefused, isFirst) = state.withLock { state in
                    if Task.isCancelled { return (true, false) }
                    state.waiting.append(Waiting(id: id, batch: batch, continuation: continuation))
                    defer { state.isWriting = true }
                    return (false, !state.isWriting)
                }
                if isRefused { continuation.resume(throwing: CancellationError()) }
                // A task of its own: whoever began it may be cancelled while others wait.
                if isFirst { Task { await writeAll() } }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            waiting?.continuation.resume(throwing: CancellationError())
        }
    }

    private func writeAll() async {
        while let taken = takeBatch() {
            let batch = taken.dropFirst().reduce(into: taken[0].batch) { $0.append($1.batch) }
            let result = await attempt(batch)
            // What the server refuses may be the fault of one of them. What may succeed when tried again is nobody's:
            // to find a row locked or to run out of time once for each of them would hold up everybody behind.
            if taken.count > 1, case .failure(let error as PostgresError) = result, error.code == .server,
                !error.isRetriable
            {
                for caller in taken { caller.continuation.resume(with: await attempt(caller.batch)) }
            } else {
                for caller in taken { caller.continuation.resume(with: result) }
            }
        }
    }

    private func attempt(_ batch: PublishBatch) async -> Result<Void, any Error> {
        do { return .success(try await write(batch)) } catch { return .failure(error) }
    }

    /// Those who have waited longest, as many as fit into one transaction.
    private func takeBatch() -> [Waiting]? {
        state.withLock { state in
            guard let first = state.waiting.first else {
                state.isWriting = false
                return nil
            }
            var (records, bytes) = (first.batch.count, first.batch.bytes)
            var taken = 1
            while taken < state.waiting.count {
                records += state.waiting[taken].batch.count
                bytes += state.waiting[taken].batch.bytes
                if records > BusLimits.publishRecords || bytes > BusLimits.publishBytes { break }
                taken += 1
            }
            defer { state.waiting.removeFirst(taken) }
            return Array(state.waiting.prefix(taken))
        }
    }
}
