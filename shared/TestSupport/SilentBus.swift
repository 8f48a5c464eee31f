// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events

/// A bus for tests of what is around it: a conformer says only what differs from a bus on which nothing happens.
public protocol QuietBus: EventBus {}

extension QuietBus {
    public func run() async throws {}
    public func prepare() async throws {}
    public func publish(_: [Record]) async throws {}
    public func consume(
        group _: String, topics _: [Topic], handler _: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {}
    public func follow(
        _: Topic, partitionKey _: String?, handler _: @escaping @Sendable (FollowEvent) async throws -> Void
    ) async throws {}
    public func tail(
        _: [Topic], started _: @escaping @Sendable () -> Void,
        handler _: @escaping @Sendable (IncomingRecord) async throws -> Void
    ) async throws {}
    public func topicPositions() async throws -> [TopicPosition] { [] }
    public func groupPositions() async throws -> [GroupPosition] { [] }
    public func problem() async -> String? { nil }
}

/// Takes every record and tells nothing.
public struct SilentBus: QuietBus {
    public init() {}
}
