// SPDX-License-Identifier: Apache-2.0
import Events
import Postgres
import Testing

@testable import Messaging

struct InboxPurgeTests {
    @Test func idsAreKeptForTwiceTheRetentionOfTheirTopic() async throws {
        try await World.with { world in
            func seen(_ name: String, days: Int) async throws {
                try await world.pool.query(
                    """
                    INSERT INTO inbox VALUES (\(name), \(name + String(days)), now() - make_interval(days => \(days)))
                    """)
            }
            let cases = [
                ("g/telemetry.logs", 3), ("g/builds", 7), ("g/dead-letters", 30), ("g/dead-letters/builds", 30),
                ("g/dead-letters/environments/a/b", 30), ("g/of-a-later-version", 30), ("of-an-earlier-version", 30),
            ]
            for (name, retention) in cases {
                try await seen(name, days: 2 * retention - 1)
                try await seen(name, days: 2 * retention + 1)
            }
            try await InboxPurge(pool: world.pool, logger: world.logs.logger).purge()
            let left = try await world.pool.query("SELECT event_id FROM inbox").map { try $0.string("event_id") }
            #expect(Set(left) == Set(cases.map { $0.0 + String(2 * $0.1 - 1) }))
        }
    }
}
