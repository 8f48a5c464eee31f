// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Testing
import Threads

struct StartThreadTests {
    /// What `body` returns on a thread of its own.
    private func onThread<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable () -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try startThread(name, stackBytes: 512 << 10) { continuation.resume(returning: body()) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    @Test(arguments: [("pg-panel", "pg-panel"), ("a-name-of-more-than-fifteen", "a-name-of-more-")])
    func theThreadBearsItsName(name: String, shown: String) async throws {
        let read = try await onThread(name) { try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8) }
        #expect(read == shown + "\n")
    }

    @Test func theBodyIsReleasedWithTheThread() async throws {
        final class Held: Sendable {
            let ended: AsyncStream<Void>.Continuation
            init(_ ended: AsyncStream<Void>.Continuation) { self.ended = ended }
            deinit { ended.finish() }
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        do {
            let held = Held(continuation)
            try startThread("holder", stackBytes: 512 << 10) { _ = held.ended }
        }
        for await _ in stream {}
    }

    @Test func aStackTheSystemCannotGiveIsRefused() {
        #expect(throws: ThreadRefused.self) { try startThread("vast", stackBytes: 1 << 60) {} }
    }
}
