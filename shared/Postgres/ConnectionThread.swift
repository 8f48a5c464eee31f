// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Threads

/// The thread a connection lives on, as the executor of its actor.
///
/// libpq's calls block, and the cooperative pool is as wide as the machine has cores, so each connection brings a
/// thread of its own and every libpq call of that connection is made there. Between jobs the thread sleeps in
/// `poll(2)` on a doorbell and, while the connection listens, on its socket.
///
/// An executor has to run every job, or who awaits it waits for ever: a job that comes after the thread has ended
/// brings a thread of its own, on which the actor refuses it.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
    // Unchecked: `jobs`, `stopping`, `isRunning` and `identity` are only touched under `lock`; `doorbell` is immutable;
    // `onReadable` and `watched` are only touched on the thread itself, of which there is one at a time.
    private let lock = Mutex(Pending())
    private let name: String
    private let doorbell: (read: Int32, write: Int32)
    private var watched: Int32 = -1
    private var onReadable: (() -> Void)?

    private struct Pending {
        var jobs: [UnownedJob] = []
        var stopping = false
        var isRunning = true
        var identity: pthread_t?
    }

    private static let stackBytes = 512 * 1024

    /// - Throws: `PostgresError.Code.connect` when the system has no pipe or no thread to give.
    init(name: String) throws(PostgresError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PostgresError(.connect, "the system refuses a pipe (error \(errno)): raise the limit of files")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        doorbell = (ends[0], ends[1])
        self.name = name
        do {
            try start()
        } catch {
            throw PostgresError(.connect, "\(error)")
        }
    }

    // Closed no earlier: whoever holds the connection may ring. Nobody does any more, and no thread runs.
    deinit {
        close(doorbell.read)
        close(doorbell.write)
    }

    /// Runs `loop` on a new thread, which keeps `self` alive until it ends.
    private func start() throws(ThreadRefused) {
        try startThread(name, stackBytes: Self.stackBytes) { self.loop() }
    }

    func enqueue(_ job: UnownedJob) {
        let mustStart = lock.withLock { pending in
            pending.jobs.append(job)
            defer { pending.isRunning = true }
            return !pending.isRunning
        }
        guard mustStart else { return ring() }
        do {
            try start()
        } catch {
            // There is nowhere to run it, and nobody to tell.
            fatalError("\(error)")
        }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Called between jobs the thread is ours without being in one: then its identity proves the isolation.
    func checkIsolated() {
        let identity = lock.withLock { $0.identity }
        precondition(identity.map { pthread_equal($0, pthread_self()) != 0 } ?? false, "not on the connection's thread")
    }

    /// Ends the thread once the queued jobs have run.
    func stop() {
        lock.withLock { $0.stopping = true }
        ring()
    }

    /// Calls `action` on this thread whenever `descriptor` is readable and no job runs. Called on the thread only.
    func watch(_ descriptor: Int32, _ action: @escaping () -> Void) {
        watched = descriptor
        onReadable = action
    }

    /// Called on the thread only.
    func unwatch() {
        watched = -1
        onReadable = nil
    }

    private func ring() {
        // A full pipe already wakes the thread.
        var byte: UInt8 = 1
        _ = write(doorbell.write, &byte, 1)
    }

    private func loop() {
        lock.withLock { $0.identity = pthread_self() }
        while true {
            let (jobs, isOver) = lock.withLock { pending in
                let jobs = pending.jobs
                pending.jobs = []
                if jobs.isEmpty, pending.stopping { pending.isRunning = false }
                return (jobs, !pending.isRunning)
            }
            if isOver { return }
            for job in jobs {
                job.runSynchronously(on: asUnownedSerialExecutor())
            }
            if !jobs.isEmpty { continue }
            var descriptors = [
                pollfd(fd: doorbell.read, events: Int16(POLLIN), revents: 0),
                pollfd(fd: watched, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&descriptors, nfds_t(descriptors.count), -1)
            if descriptors[0].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(doorbell.read, &bytes, bytes.count)
            }
            if descriptors[1].revents != 0 { onReadable?() }
        }
    }
}
