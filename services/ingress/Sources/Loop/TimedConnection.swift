// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A connection with one deadline, which it may move as often as it likes at no cost.
///
/// Bound to its loop, like all of `Loop/`, `Proxy/` and the pool.
class TimedConnection {
    let id: Int
    let loop: IngressLoop
    private var deadline = NIODeadline.distantFuture
    /// When the wheel comes to this connection. Entries that come up before were outdated by a nearer one.
    private var lookAt = NIODeadline.distantFuture

    init(loop: IngressLoop) {
        self.loop = loop
        id = loop.nextConnectionID()
    }

    final func setDeadline(in amount: TimeAmount) {
        deadline = .now() + amount
        if deadline < lookAt { lookAt = loop.watch(id, until: deadline) }
    }

    final func clearDeadline() { deadline = .distantFuture }

    final func look(now: NIODeadline) {
        guard now >= lookAt else { return }
        lookAt = .distantFuture
        if deadline <= now {
            deadline = .distantFuture
            deadlinePassed()
        } else if deadline != .distantFuture {
            lookAt = loop.watch(id, until: deadline)
        }
    }

    func deadlinePassed() {}
}
