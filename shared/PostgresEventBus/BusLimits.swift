// SPDX-License-Identifier: Apache-2.0

/// Limits of the embedded bus.
enum BusLimits {
    // MARK: Publishing

    /// Records in one transaction; more in one call go in several.
    static let publishRecords = 500
    static let publishBytes = 4 << 20
    /// Doorbell keys in one `NOTIFY`, whose payload Postgres limits to 8,000 bytes.
    static let notifyBytes = 7_000

    // MARK: Reading

    /// Records and bytes fetched from a partition at a time; one record may exceed the bytes. One such batch is being
    /// handled and one waits, so a partition takes at most twice this in memory.
    static let fetchRecords = 500
    static let fetchBytes = 256 << 10
    /// Without a ring of the doorbell, a partition is looked at this often.
    static let idleFetchInterval: Duration = .seconds(60)
    /// Handled records are committed at least this often; what a crash can have handled again.
    static let commitInterval: Duration = .milliseconds(500)
    static let handlerBackOffMin: Duration = .milliseconds(100)
    static let handlerBackOffMax: Duration = .seconds(10)

    // MARK: Groups

    /// How often a member looks who else is in its group, when nobody tells.
    static let membershipInterval: Duration = .seconds(2)
    /// A member that has not heard from the database for this long stops handling...
    static let lease: Duration = .seconds(10)
    /// ...and Postgres gives a silent member up after idle + interval * count seconds, which must be longer.
    static let keepaliveIdleSeconds = 10
    static let keepaliveIntervalSeconds = 5
    static let keepaliveCount = 3
    /// How long a member that leaves waits for the handlers that run, before it cancels them.
    static let handlerGrace: Duration = .seconds(10)

    // MARK: Upkeep

    /// How often the ends of all partitions are looked at: finds what a lost doorbell did not tell.
    static let watchInterval: Duration = .seconds(5)
    /// The bus answered lately when it did within this time.
    static let recently: Duration = .seconds(15)
    static let reconnectBackOffMin: Duration = .milliseconds(200)
    static let reconnectBackOffMax: Duration = .seconds(5)
    static let retentionInterval: Duration = .seconds(600)
    static let retentionBatch = 5_000
}
