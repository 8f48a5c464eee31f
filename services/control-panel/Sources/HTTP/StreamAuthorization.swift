// SPDX-License-Identifier: Apache-2.0

/// Whether a stream may go on. It may last for days: that its token is valid and its permission granted, which was
/// true when it began, is looked up again every `PanelLimits.streamAuthorizationInterval`.
struct StreamAuthorization: Sendable {
    private let isGranted: @Sendable () async throws -> Bool
    private var checkedAt = ContinuousClock.now

    /// - Parameter isGranted: asks as a new request would.
    init(_ isGranted: @escaping @Sendable () async throws -> Bool) { self.isGranted = isGranted }

    /// To be asked before each write.
    mutating func holds() async throws -> Bool {
        guard ContinuousClock.now - checkedAt >= PanelLimits.streamAuthorizationInterval else { return true }
        checkedAt = .now
        return try await isGranted()
    }

    /// The last words to a client that may not read on.
    static let withdrawn = ServerSentEvent.comment("ended: the token is not valid any more, or no longer gives access")
}
