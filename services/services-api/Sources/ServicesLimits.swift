// SPDX-License-Identifier: Apache-2.0

/// Every limit of the services API.
enum ServicesLimits {
    /// The server's trouble is waited out this long before a request fails.
    static let outageMax: Duration = .seconds(120)
    static let backOffMin: Duration = .milliseconds(250)
    static let backOffMax: Duration = .seconds(10)
    /// A removal is never given up: data of a removed environment must not stay.
    static let removalBackOffMax: Duration = .seconds(60)
    /// Rows looked at in one round.
    static let batchMax = 20
    /// Without a wake-up, with work that waits for its time and without any.
    static let busyPollInterval: Duration = .milliseconds(500)
    static let idlePollInterval: Duration = .seconds(5)
    static let passwordLength = 32
    static let scramIterations = 4_096
    static let reasonBytesMax = 1_000
}
