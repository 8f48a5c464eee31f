// SPDX-License-Identifier: Apache-2.0

/// When a request that got no answer may be sent again.
enum RetryPolicy {
    /// - Parameters:
    ///   - attempts: how often it was sent.
    ///   - isRepeatable: sending twice has the effect of sending once.
    /// - Returns: how long to wait before the next attempt; `nil` to give up.
    static func delay(
        afterAttempts attempts: Int, isRepeatable: Bool, failure: TransportFailure.Kind
    ) -> Duration? {
        guard attempts <= CLILimits.retriesMax else { return nil }
        switch failure {
        case .notConnected: break
        case .interrupted: if !isRepeatable { return nil }
        // The person has waited a minute already.
        case .idle, .tooLarge: return nil
        }
        let factor = 1 << (attempts - 1)
        return CLILimits.retryDelay * factor
    }

    /// A request that creates or changes can be repeated because the panel knows its key.
    static func isRepeatable(_ method: RequestMethod, hasIdempotencyKey: Bool) -> Bool {
        switch method {
        case .get, .put: true
        // The second of two deletions finds nothing and would report a failure.
        case .delete: false
        case .post, .patch: hasIdempotencyKey
        }
    }
}

/// When a live log that broke off is taken up again.
struct ReconnectPolicy: Sendable {
    enum Ending: Sendable, Equatable {
        /// The panel ended it, or the connection broke.
        case broken
        /// It answered and then said nothing for a while, which logs are allowed to do.
        case idle
    }

    private(set) var fruitless = 0

    /// - Parameter wasUseful: an event came, or the connection held for `CLILimits.usefulConnection`.
    /// - Returns: how long to wait before reconnecting; `nil` to give up.
    mutating func delay(after ending: Ending, wasUseful: Bool) -> Duration? {
        if wasUseful || ending == .idle { fruitless = 0 }
        if ending == .idle { return .zero }
        fruitless += 1
        if fruitless > CLILimits.fruitlessReconnectionsMax { return nil }
        let factor = 1 << (fruitless - 1)
        return min(CLILimits.reconnectDelay * factor, CLILimits.reconnectDelayMax)
    }
}
