// SPDX-License-Identifier: Apache-2.0

/// Every deadline and bound of the runner agent.
enum RunnerLimits {
    static let agentVersion = "0.1.0"

    // Reconciling
    /// Instances worked on at once. Stopping one holds its place for the whole grace.
    static let concurrency = 64
    /// Engine actions of one instance in a row; more means a planner that does not settle.
    static let stepsMax = 20
    static let resyncInterval: Duration = .seconds(30)
    /// An object of the engine that is changing is looked at again after this long.
    static let transitionPoll: Duration = .milliseconds(200)
    static let engineBackOffMin: Duration = .milliseconds(200)
    static let engineBackOffMax: Duration = .seconds(5)
    /// A failed engine action is tried again after `retryBackOffMin`, doubling up to `retryBackOffMax`.
    static let retryBackOffMin: Duration = .milliseconds(200)
    static let retryBackOffMax: Duration = .seconds(10)
    /// Tries of a start that fails for a reason that may pass, such as a taken port.
    static let startAttemptsMax = 5

    // Restarting
    /// The n-th crash in a row waits n² seconds, at most this many.
    static let restartBackOffMax: Duration = .seconds(30)
    /// An instance that ran this long begins again at the first step of the back-off.
    static let stableAfter: Duration = .seconds(10)

    // Health
    /// The first checks come quicker than the manifest's interval: most programs are up within it.
    static let firstProbeInterval: Duration = .milliseconds(25)
    static let probeIntervalMin: Duration = .milliseconds(10)

    // Containers
    static let temporaryBytes = 64 << 20
    static let stopGraceDefault = 10
    static let releaseStopGrace = 5
    static let logFileBytesMax = 10 << 20
    static let containerEnvironmentBytesMax = 1 << 20

    // What a developer reads
    static let reasonLines = 10
    static let reasonLineBytesMax = 300
    static let reasonBytesMax = 4 << 10
    static let reasonLogsMax: Duration = .seconds(3)

    // Publishing
    static let publishBackOffMin: Duration = .milliseconds(200)
    static let publishBackOffMax: Duration = .seconds(5)
    /// What is not published yet at a shutdown is tried once more for this long.
    static let lastFlushMax: Duration = .seconds(3)
    static let prepareBackOffMax: Duration = .seconds(5)

    // Log shipping
    static let logBatchLines = 200
    static let logBatchAge: Duration = .milliseconds(200)
    /// Bytes of one batch as JSON, well below `Limits.eventBytesMax`.
    static let logBatchBytesMax = 512 << 10
    static let logPublishBatches = 32
    static let logLinesPerSecondMax = 5_000
    /// Lines of one instance that wait for the bus; later ones are dropped and counted.
    static let logLinesWaitingMax = 10_000
    static let logBytesWaitingMax = 4 << 20
    /// Bytes of all instances' lines that wait for the bus.
    static let logBytesWaitingTotalMax = 32 << 20
    /// How long the removal of a container waits for its last lines to be read and published.
    static let logDrainMax: Duration = .seconds(2)
    static let logPositionsInterval: Duration = .seconds(1)
}
