// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The system has no thread to give.
public struct ThreadRefused: Error, CustomStringConvertible {
    /// What `pthread_create` returned.
    public let status: Int32

    public var description: String { "the system refuses a thread (error \(status)): raise the limit of threads" }
}

/// Runs `body` on a new detached thread, for calls that block: the cooperative pool is only as wide as the machine has
/// cores. What `body` holds is released when it returns, on that thread.
///
/// - Parameters:
///   - name: for `top -H` and debuggers; Linux keeps 15 bytes.
///   - stackBytes: at least 16 KiB.
/// - Throws: `ThreadRefused`; then `body` is never run.
public func startThread(
    _ name: String, stackBytes: Int, _ body: @escaping @Sendable () -> Void
) throws(ThreadRefused) {
    final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, stackBytes)
    // One reference goes with the thread, which takes it over, or comes back here when there is no thread.
    let boxed = Unmanaged.passRetained(Body(name: name, run: body))
    var thread = pthread_t()
    let status = pthread_create(
        &thread, &attributes,
        { argument in
            guard let argument else { return nil }
            let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
            nameThisThread(body.name)
            body.run()
            return nil
        }, boxed.toOpaque())
    guard status == 0 else {
        boxed.release()
        throw ThreadRefused(status: status)
    }
}

/// By the file, because Swift sees neither of Glibc's functions for it.
private func nameThisThread(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    var name = name
    name.withUTF8 { _ = write(file, $0.baseAddress, min($0.count, 15)) }
    close(file)
}
