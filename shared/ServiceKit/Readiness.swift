// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Named conditions that must all hold before the process takes work.
public final class Readiness: Sendable {
    /// Returns `nil` when the condition holds, otherwise what is wrong.
    public typealias Check = @Sendable () async -> String?

    private struct State {
        var checks: [(name: String, check: Check)] = []
        var marks: [String: Bool] = [:]
        var wishes: [(name: String, check: Check)] = []
        var isShuttingDown = false
    }

    private let state = Mutex(State())

    public init() {}

    /// A condition that is looked at with each probe; it must answer quickly.
    public func require(_ name: String, _ check: @escaping Check) {
        state.withLock { $0.checks.append((name, check)) }
    }

    /// A condition that holds once `mark` was called for it.
    public func expect(_ name: String) {
        state.withLock { $0.marks[name] = $0.marks[name] ?? false }
    }

    public func mark(_ name: String) {
        state.withLock { $0.marks[name] = true }
    }

    /// A condition that is named when it does not hold, and does not keep the process from taking work.
    public func wish(_ name: String, _ check: @escaping Check) {
        state.withLock { $0.wishes.append((name, check)) }
    }

    func beginShutdown() {
        state.withLock { $0.isShuttingDown = true }
    }

    /// What stands in the way, by condition; empty when ready.
    public func problems() async -> [String: String] {
        let (checks, marks, isShuttingDown) = state.withLock { ($0.checks, $0.marks, $0.isShuttingDown) }
        if isShuttingDown { return ["process": "shutting down"] }
        var problems: [String: String] = [:]
        for (name, isMarked) in marks where !isMarked { problems[name] = "not yet" }
        for (name, check) in checks {
            if let problem = await check() { problems[name] = problem }
        }
        return problems
    }

    /// What the process takes work without, by condition.
    public func shortcomings() async -> [String: String] {
        var shortcomings: [String: String] = [:]
        for (name, check) in state.withLock({ $0.wishes }) {
            if let problem = await check() { shortcomings[name] = problem }
        }
        return shortcomings
    }
}
