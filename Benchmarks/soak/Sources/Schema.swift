// SPDX-License-Identifier: Apache-2.0
import Logging
import Messaging
import Postgres

enum Schema {
    static let keys = 48

    /// `ledger` says what was committed.
    static let writer = [
        Outbox.migration,
        Migration(
            2, "soak",
            """
            CREATE TABLE counters (key text PRIMARY KEY, sequence bigint NOT NULL);
            INSERT INTO counters SELECT 'key-' || number, 0 FROM generate_series(1, \(keys)) AS number;
            CREATE TABLE ledger (
                key text NOT NULL, sequence bigint NOT NULL, token text NOT NULL, poison boolean NOT NULL,
                PRIMARY KEY (key, sequence));
            """),
    ]

    /// `effects` takes anything, as often as it comes: a constraint would hide what the soak looks for.
    static let handler = [
        Outbox.migration,
        Migration(
            2, "soak",
            """
            CREATE TABLE progress (key text PRIMARY KEY, sequence bigint NOT NULL);
            INSERT INTO progress SELECT 'key-' || number, 0 FROM generate_series(1, \(keys)) AS number;
            CREATE TABLE effects (
                position bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL, sequence bigint NOT NULL,
                token text NOT NULL, previous bigint NOT NULL);
            CREATE TABLE letters (
                key text NOT NULL, sequence bigint NOT NULL, token text NOT NULL, cause text NOT NULL);
            """),
    ]

    /// Waits for a database that is being restarted.
    static func prepare(_ pool: PostgresPool, _ migrations: [Migration], _ logger: Logger) async throws {
        while true {
            do {
                return try await pool.migrate(migrations)
            } catch let error as PostgresError where error.isRetriable {
                logger.notice("the database is not there, trying again", metadata: ["error": "\(error)"])
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}
