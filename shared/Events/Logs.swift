// SPDX-License-Identifier: Apache-2.0
import Domain

/// Lines of one build, release hook or instance, in order.
public struct LogLines: EventPayload, Hashable {
    public static let type = "telemetry.log-lines.v1"
    public static let topic = Topic.telemetryLogs
    public var key: String { environment.rawValue }

    public enum Source: String, Sendable, Hashable, CaseIterable {
        case build, release, app
    }

    public struct Line: Codable, Sendable, Hashable {
        public var at: Timestamp
        public var text: String

        public init(at: Timestamp, text: String) {
            self.at = at
            self.text = text
        }
    }

    public var environment: EnvironmentID
    public var deployment: DeploymentID?
    public var instance: InstanceID?
    public var source: Open<Source>
    public var lines: [Line]
    /// Lines lost before the first of `lines`, because a limit was reached.
    public var dropped: Int

    public init(
        environment: EnvironmentID, deployment: DeploymentID?, instance: InstanceID?, source: Source, lines: [Line],
        dropped: Int = 0
    ) {
        self.environment = environment
        self.deployment = deployment
        self.instance = instance
        self.source = Open(source)
        self.lines = lines
        self.dropped = dropped
    }
}
