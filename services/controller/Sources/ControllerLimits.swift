// SPDX-License-Identifier: Apache-2.0

/// Every deadline and bound of the controller; how old a heartbeat may be stands with the events that carry it.
enum ControllerLimits {
    /// A build that nobody finished by then is given up, waiting for a builder included; above the longest time-out
    /// that a builder can be given, which normally ends it.
    static let buildMax: Duration = .seconds(5 * 3600)
    static let provisionMax: Duration = .seconds(300)
    /// How long a deployment waits for a host with room.
    static let placeMax: Duration = .seconds(60)
    /// Added to the release hook's own time-out: image pull, create, report.
    static let releaseMargin: Duration = .seconds(120)
    /// Added to the health check's deadline.
    static let startMargin: Duration = .seconds(120)
    /// How long a switch waits for every live ingress node.
    static let switchMax: Duration = .seconds(60)
    /// In-flight requests of a replaced instance are waited for this long.
    static let drainMax: Duration = .seconds(30)
    /// A stopped instance whose host never reports it is forgotten after this long; above the longest grace.
    static let stopReportMax: Duration = .seconds(420)
    /// Steps planned in one transaction; more means a planner that does not settle.
    static let stepsMax = 20
    /// Environments looked at again without an event.
    static let resyncInterval: Duration = .seconds(10)
    /// A longer gap in the controller's own sign of life is time that no deadline counts.
    static let absenceMin: Duration = .seconds(20)
    /// Environments whose usage is recorded at a time; the others follow at the next look.
    static let usageBatch = 1_000
    /// Environments advanced at once.
    static let concurrency = 4
    static let reasonBytesMax = 8 << 10
}
