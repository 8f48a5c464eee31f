// SPDX-License-Identifier: Apache-2.0

/// Input that the scheduler does not accept. Nothing has changed when it is thrown.
///
/// The message is for the person who wrote the input: it names what is wrong and what to write instead.
public struct SchedulerError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        case invalidAffinity, contradictoryAffinities, invalidResources, invalidPorts, invalidPriority, invalidPolicy
        case invalidHost, hostExists, unknownHost, instanceExists
    }

    public let code: Code
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
