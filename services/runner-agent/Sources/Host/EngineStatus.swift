// SPDX-License-Identifier: Apache-2.0
import EngineClient
import EventBus
import Synchronization

/// Whether the container engine answers, as last seen.
final class EngineStatus: Sendable {
    private struct Contents {
        /// `nil` while it answers.
        var problem: String? = "not asked yet"
        var info: EngineInfo?
    }

    private let contents = Mutex(Contents())
    /// Raised when the engine comes or goes.
    let changed = Signal()

    var problem: String? { contents.withLock { $0.problem } }
    var isUp: Bool { problem == nil }
    /// As of the last time it answered.
    var info: EngineInfo? { contents.withLock { $0.info } }

    /// - Returns: whether it was away before.
    @discardableResult
    func isAnswering(_ info: EngineInfo? = nil) -> Bool {
        let wasAway = contents.withLock { contents in
            if let info { contents.info = info }
            defer { contents.problem = nil }
            return contents.problem != nil
        }
        if wasAway { changed.raise() }
        return wasAway
    }

    /// - Returns: whether it answered before.
    @discardableResult
    func isAway(_ problem: String) -> Bool {
        let wasUp = contents.withLock { contents in
            defer { contents.problem = problem }
            return contents.problem == nil
        }
        if wasUp { changed.raise() }
        return wasUp
    }
}
