// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Glibc
import Synchronization
import Threads

/// Runs `body`, which calls librdkafka, on a thread of its own and hands over what it returns.
func onThread<Success: Sendable>(
    _ name: String, _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try startThread(name, stackBytes: KafkaLimits.threadStackBytes) {
                continuation.resume(with: Result { try body() })
            }
        } catch {
            continuation.resume(throwing: BusError("\(error)"))
        }
    }
}

/// Nanoseconds on a clock that only goes forward.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension Duration {
    var nanoseconds: UInt64 {
        UInt64(clamping: components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000)
    }
}

/// What others ask of a client's thread, and how they wake it out of librdkafka.
final class ClientControl: Sendable {
    // Unchecked: librdkafka's queues may be woken from any thread, and the pointers are only used under the lock, which
    // `detach` takes before they are destroyed.
    private struct Queues: @unchecked Sendable {
        var pointers: [OpaquePointer] = []
    }

    private let queues = Mutex(Queues())
    private let stopped = Atomic(false)

    var isStopped: Bool { stopped.load(ordering: .acquiring) }

    func stop() {
        stopped.store(true, ordering: .releasing)
        wake()
    }

    func attach(_ pointers: [OpaquePointer]) {
        let queues = Queues(pointers: pointers)
        self.queues.withLock { $0 = queues }
    }

    func detach() { queues.withLock { $0 = Queues() } }

    /// Ends the wait the thread is in or, when it is in none, the next one.
    func wake() {
        queues.withLock { queues in
            for queue in queues.pointers { rd_kafka_queue_yield(queue) }
        }
    }
}

/// The control of a reader's present client: the reader outlives its clients.
final class CurrentControl: Sendable {
    private let current = Mutex(ClientControl())

    func wake() { current.withLock { $0 }.wake() }

    func renew() -> ClientControl {
        let control = ClientControl()
        current.withLock { $0 = control }
        return control
    }
}
