// SPDX-License-Identifier: Apache-2.0
import Postgres

/// Every topic has rows in `partitions`; publishing takes the row's lock until commit, so within a partition the
/// order of offsets is the order of commits and there are no gaps to wait for.
let busMigrations = [
    Migration(
        1, "log",
        """
        CREATE TABLE partitions (
            topic text NOT NULL, partition int NOT NULL, next_offset bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (topic, partition));
        CREATE TABLE events (
            topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL, key text NOT NULL,
            headers jsonb NOT NULL, value text, published_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (topic, partition, "offset"));
        CREATE INDEX events_by_age ON events (topic, published_at);
        CREATE TABLE states (
            topic text NOT NULL, key text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL,
            headers jsonb NOT NULL, value text, published_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (topic, key));
        CREATE UNIQUE INDEX states_in_order ON states (topic, partition, "offset");
        CREATE TABLE offsets (
            "group" text NOT NULL, topic text NOT NULL, partition int NOT NULL,
            "offset" bigint NOT NULL DEFAULT 0, epoch bigint NOT NULL DEFAULT 0,
            PRIMARY KEY ("group", topic, partition));
        """)
]

/// Limits of the embedded bus.
enum BusLimits {
    /// Records fetched from a partition at a time; also how many a crash can have handled again.
    static let fetchBatch = 200
    /// Without a doorbell, partitions are looked at this often: NOTIFY may be lost with its connection.
    static let pollInterval: Duration = .seconds(5)
    /// How often a member looks who else is in its group.
    static let membershipInterval: Duration = .seconds(2)
    static let reconnectBackOffMin: Duration = .milliseconds(200)
    static let reconnectBackOffMax: Duration = .seconds(5)
    static let handlerBackOffMin: Duration = .milliseconds(100)
    static let handlerBackOffMax: Duration = .seconds(10)
    static let retentionInterval: Duration = .seconds(600)
    static let retentionBatch = 5_000
}
