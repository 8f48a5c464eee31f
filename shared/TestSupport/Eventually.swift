// SPDX-License-Identifier: Apache-2.0

public struct DeadlinePassed: Error, CustomStringConvertible {
    public let description: String
}

/// Looks at `condition` again and again until it holds.
///
/// - Throws: `DeadlinePassed` naming `what` when it does not hold within `deadline`.
public func eventually(
    _ what: String, within deadline: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + deadline
    while try await !condition() {
        if ContinuousClock.now > end { throw DeadlinePassed(description: "not within \(deadline): \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}
