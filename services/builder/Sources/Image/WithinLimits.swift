// SPDX-License-Identifier: Apache-2.0

/// Runs `operation` while the folder it works in stays below `bytesMax`, and for `limit` at most.
///
/// - Throws: what `operation` throws, or a `BuildFailure` that names the limit; `operation` is then cancelled and has
///   ended.
func withinLimits<Result: Sendable>(
    folder: String, bytesMax: Int = BuilderLimits.workBytesMax, limit: Duration,
    _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            let end = ContinuousClock.now + limit
            while ContinuousClock.now < end {
                try await Task.sleep(for: min(BuilderLimits.sizeCheckInterval, limit))
                if WorkFolder.size(of: folder) > bytesMax { throw BuildFailure.sourceTooLarge(limit: bytesMax) }
            }
            throw BuildFailure.timedOut(after: limit)
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw CancellationError() }
        return result
    }
}
