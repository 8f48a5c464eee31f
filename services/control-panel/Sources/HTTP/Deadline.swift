// SPDX-License-Identifier: Apache-2.0

/// Runs `body` and cancels it when it has not ended within `limit`.
///
/// - Throws: `error` after the limit.
func withDeadline<Value: Sendable>(
    _ limit: Duration, orThrow error: any Error, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        guard let first = try await group.next(), let value = first else { throw error }
        return value
    }
}
