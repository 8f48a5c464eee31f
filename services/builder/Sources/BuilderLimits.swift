// SPDX-License-Identifier: Apache-2.0
import Domain

/// Every limit of the builder.
enum BuilderLimits {
    /// Times a build is begun: one that takes its builder down with it must not do so for ever.
    static let attemptsMax = 3
    /// A builder that has not renewed for this long is taken for dead.
    static let lease: Duration = .seconds(30)
    static let leaseRenewal: Duration = .seconds(5)
    /// The queue is looked at this often without a wake-up: another builder's lease may have run out.
    static let pollInterval: Duration = .seconds(5)
    static let finishedBuildAge: Duration = .seconds(30 * 86_400)
    static let concurrency = 1...16
    static let timeoutSeconds = 10...14_400

    // Source
    static let gitCommandMax: Duration = .seconds(300)
    static let gitOutputBytesMax = 256 << 10
    static let gitTeardownGrace: Duration = .seconds(2)
    /// Repository and context of one build together.
    static let workBytesMax = 1 << 30
    static let contextBytesMax = 512 << 20
    static let sizeCheckInterval: Duration = .milliseconds(500)
    /// The panel or the engine being away is waited out this long.
    static let outageMax: Duration = .seconds(120)
    static let outageBackOffMin: Duration = .milliseconds(250)
    static let outageBackOffMax: Duration = .seconds(5)

    // Image
    static let stepMemoryBytesMax = 2 << 30
    static let variablesMax = Limits.environmentVariablesMax

    // Log
    static let logLinesMax = 20_000
    static let logBytesMax = 8 << 20
    /// Lines that wait for the bus; past it they are dropped and counted.
    static let logBufferLinesMax = 5_000
    static let logBatchLinesMax = 100
    /// A control character takes six bytes in JSON: six times this is still below `Limits.eventBytesMax`.
    static let logBatchBytesMax = 128 << 10
    static let logBatchDelay: Duration = .milliseconds(100)
    /// How long the bus is tried before lines are given up, while the build runs and after it.
    static let publishMax: Duration = .seconds(30)
    static let publishAfterEndMax: Duration = .seconds(5)
    static let publishBackOffMax: Duration = .seconds(2)

    // Result
    static let reasonLinesMax = 20
    static let reasonBytesMax = 4 << 10
    static let commitAttemptsMax = 10
    static let commitBackOffMax: Duration = .seconds(5)
}
