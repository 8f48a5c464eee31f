// SPDX-License-Identifier: Apache-2.0
import Domain

/// What the instances of one environment used in one period. The periods of an environment do not overlap, so sums
/// over any time are exact; a period without instances has no event.
public struct UsageRecorded: EventPayload, Hashable {
    public static let type = "usage.recorded.v1"
    public static let topic = Topic.usage
    public var key: String { environment.rawValue }

    public var organisation: String
    public var app: String
    public var environment: EnvironmentID
    /// Included.
    public var from: Timestamp
    /// Excluded.
    public var to: Timestamp
    /// Seconds that instances ran, added up over all of them.
    public var instanceSeconds: Int
    /// The memory limit of each instance in MiB times the seconds it ran, added up.
    public var memoryMebibyteSeconds: Int

    public init(
        organisation: String, app: String, environment: EnvironmentID, from: Timestamp, to: Timestamp,
        instanceSeconds: Int, memoryMebibyteSeconds: Int
    ) {
        self.organisation = organisation
        self.app = app
        self.environment = environment
        self.from = from
        self.to = to
        self.instanceSeconds = instanceSeconds
        self.memoryMebibyteSeconds = memoryMebibyteSeconds
    }
}
