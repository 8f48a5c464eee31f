// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// The thread a connection lives on, as the executor of its actor.
///
/// libpq's calls block, and the cooperative pool is as wide as the machine has cores, so each connection brings a
/// thread of its own and every libpq call of that connection is made there. Between jobs the thread sleeps in
/// `poll(2)` on a doorbell and, while the connection listens, on its socket.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
    // Unchecked: `jobs` and `state` are only touched under `lock`; `doorbell` is immutable; `onReadable` and
    // `watched` are only touched on the thread itself.
    private let lock = Mutex(Pending())
    private let name: String
    private let doorbell: (read: Int32, write: Int32)
    private var watched: Int32 = -1
    private var onReadable: (() -> Void)?

    private struct Pending {
        var jobs: [UnownedJob] = []
        var stopping = false
        var identity: pthread_t?
    }

    init(name: String) {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: out of file descriptors")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        doorbell = (ends[0], ends[1])
        self.name = name
        start()
    }

    private static let stackBytes = 512 * 1024

    /// Runs `loop` on a new detached thread, which keeps `self` alive until it ends.
    private func start() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var identity = pthread_t()
        let status = pthread_create(
            &identity, &attributes,
            { context in
                if let context { Unmanaged<ConnectionThread>.fromOpaque(context).takeRetainedValue().loop() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0, "pthread_create: out of threads")
    }

    func enqueue(_ job: UnownedJob) {
        lock.withLock { $0.jobs.append(job) }
        ring()
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

    /// Names the calling thread, for `top -H` and debuggers; Linux keeps 15 bytes. Glibc's function for it is not
    /// visible to Swift.
    private static func nameThisThread(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY)
        guard file >= 0 else { return }
        var name = name
        name.withUTF8 { _ = write(file, $0.baseAddress, min($0.count, 15)) }
        close(file)
    }

    private func loop() {
        Self.nameThisThread(name)
        lock.withLock { $0.identity = pthread_self() }
        while true {
            let (jobs, stopping) = lock.withLock { pending in
                let jobs = pending.jobs
                pending.jobs = []
                return (jobs, pending.stopping)
            }
            for job in jobs {
                job.runSynchronously(on: asUnownedSerialExecutor())
            }
            if !jobs.isEmpty { continue }
            if stopping { break }
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
        onReadable = nil
        close(doorbell.read)
        close(doorbell.write)
    }
}
