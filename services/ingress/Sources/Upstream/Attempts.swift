// SPDX-License-Identifier: Apache-2.0

/// Which failures of one request are tried again. What may have reached an instance is sent again only if its method is
/// idempotent (RFC 9110, 9.2.2).
struct Attempts: Equatable {
    /// Upstreams that could not be connected to.
    private(set) var failed: [Int] = []
    private(set) var deadReuses = 0
    private(set) var lastConnectTimedOut = false

    var retries: Int { failed.count + deadReuses }

    /// A kept connection failed this request once: others may be as dead.
    var mustBeFresh: Bool { deadReuses > 0 }

    /// Nothing was sent.
    ///
    /// - Returns: whether another upstream may be tried.
    mutating func connectFailed(_ upstream: Int, timedOut: Bool) -> Bool {
        failed.append(upstream)
        lastConnectTimedOut = timedOut
        return failed.count <= IngressLimits.connectRetriesMax
    }

    /// A connection closed before the first byte of the response.
    ///
    /// - Parameters:
    ///   - isReused: an earlier request used the connection, so the instance may have closed it for idleness.
    ///   - bodyBytesSent: of the request.
    /// - Returns: whether the request may be sent again.
    mutating func closedUnanswered(isReused: Bool, isIdempotent: Bool, bodyBytesSent: Int) -> Bool {
        guard isReused, isIdempotent, bodyBytesSent == 0, deadReuses < IngressLimits.deadReuseRetriesMax else {
            return false
        }
        deadReuses += 1
        return true
    }
}
