// SPDX-License-Identifier: Apache-2.0
import Events
import Postgres
import Testing

@testable import Messaging

struct InboxPurgeTests {
    @Test func idsAreKeptForTwiceTheRetentionOfTheirTopicAndWhatIsParkedForLonger() async throws {
        try await World.with { world in
            func seen(_ name: String, days: Int) async throws {
                try await world.pool.query(
                    """
                    INSERT INTO inbox VALUES (\(name), \(name + String(days)), now() - make_interval(days => \(days)))
                    """)
            }
            // Parked records: 60 days in which they can be replayed, and 30 for the request to come.
            let cases = [
                ("g/telemetry.logs", 6), ("g/builds", 14), ("g/dead-letters", 90), ("g/dead-letters/builds", 90),
                ("g/dead-letters/environments/a/b", 90), ("g/of-a-later-version", 90), ("of-an-earlier-version", 90),
            ]
            #expect(EventConsumer.replayable == .seconds(60 * 86_400))
            for (name, kept) in cases {
                try await seen(name, days: kept - 1)
                try await seen(name, days: kept + 1)
            }
            try await InboxPurge(pool: world.pool, logger: world.logs.logger).purge()
            let left = try await world.pool.query("SELECT event_id FROM inbox").map { try $0.string("event_id") }
            #expect(Set(left) == Set(cases.map { $0.0 + String($0.1 - 1) }))
        }
    }
}
