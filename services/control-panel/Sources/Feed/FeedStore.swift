// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Postgres

/// The events of each organisation, numbered from 1 without gaps, for as long as they are kept.
///
/// The number is taken under the lock of the organisation's row in `feed_heads`, which is held until the transaction
/// ends: numbers become visible in their order, so a reader that goes on after the last number it saw misses nothing.
/// A Postgres sequence gives numbers without waiting for commits: 8 may be visible while 7 is not, and who went on
/// after 8 would never see 7. A transaction that is rolled back gives its number back with the row.
struct FeedStore: Sendable {
    let pool: PostgresPool

    struct Entry: Sendable, Equatable {
        let sequence: Int
        /// The CloudEvent in structured JSON mode, on one line.
        let event: String
    }

    struct Bounds: Sendable, Equatable {
        /// Of the oldest event kept; one more than `newest` when none is.
        var oldest: Int
        /// Of the newest event ever; 0 before the first.
        var newest: Int

        static let empty = Bounds(oldest: 1, newest: 0)
    }

    struct Page: Sendable, Equatable {
        var entries: [Entry]
        var bounds: Bounds
        /// Where to go on: everything up to here was given, or is of a type that was not asked for.
        var next: Int
        /// There was nothing more when this was read.
        var isLast: Bool
    }

    // MARK: Writing

    /// Appends an event to the feed of the organisation it belongs to, as the last lock that the transaction takes.
    ///
    /// What is written is the event as this program knows it: a field that a newer writer added is not passed on
    /// before the catalogue here knows it.
    ///
    /// - Returns: the organisation; `nil` when it is not known (any more), or the event is not public.
    static func append<Payload: FeedPayload>(
        _ event: Event<Payload>, in transaction: PostgresConnection
    ) async throws -> OrganisationID? {
        guard Catalogue.entry(Payload.type)?.audience == .public,
            let organisation = try await organisation(of: event.data.owner, in: transaction)
        else { return nil }
        let text = String(decoding: try event.record().structuredJSON(), as: UTF8.self)
        let heads = try await transaction.query(
            """
            INSERT INTO feed_heads (organisation, sequence) VALUES (\(organisation), 1)
            ON CONFLICT (organisation) DO UPDATE SET sequence = feed_heads.sequence + 1 RETURNING sequence
            """)
        guard let sequence = try heads.first?.int("sequence") else {
            throw PostgresError(.decode, "the feed gave no sequence")
        }
        try await transaction.query(
            """
            INSERT INTO feed (organisation, sequence, type, bytes, event)
            VALUES (\(organisation), \(sequence), \(Payload.type), \(text.utf8.count), \(text))
            """)
        return organisation
    }

    private static func organisation(
        of owner: FeedOwner, in transaction: PostgresConnection
    ) async throws -> OrganisationID? {
        let rows =
            switch owner {
            case .organisation(let name):
                try await transaction.query("SELECT id FROM organisations WHERE name = \(name)")
            case .environment(let environment):
                try await transaction.query(
                    """
                    SELECT apps.organisation AS id FROM environments JOIN apps ON apps.id = environments.app
                    WHERE environments.id = \(environment)
                    UNION SELECT organisation FROM removed_environments WHERE id = \(environment) LIMIT 1
                    """)
            case .deployment(let deployment):
                try await transaction.query(
                    """
                    SELECT apps.organisation AS id FROM deployments
                    JOIN environments ON environments.id = deployments.environment
                    JOIN apps ON apps.id = environments.app WHERE deployments.id = \(deployment)
                    UNION SELECT removed_environments.organisation FROM removed_deployments
                    JOIN removed_environments ON removed_environments.id = removed_deployments.environment
                    WHERE removed_deployments.id = \(deployment) LIMIT 1
                    """)
            }
        return try rows.first?.id("id")
    }

    // MARK: Reading

    /// The events after `sequence`, oldest first: at most `limit` of them and `PanelLimits.feedPageBytesMax` bytes,
    /// and at least one where there is one. Bounds and events are of one moment.
    ///
    /// - Parameter types: `nil` for every type.
    func page(
        of organisation: OrganisationID, after sequence: Int, types: [String]? = nil, limit: Int
    ) async throws -> Page {
        let rows = try await pool.query(
            """
            WITH candidates AS (
                SELECT sequence, bytes, event FROM feed
                WHERE organisation = \(organisation) AND sequence > \(sequence)
                    AND (\(types)::text[] IS NULL OR type = ANY(\(types)::text[]))
                ORDER BY sequence LIMIT \(limit)),
            counted AS (SELECT *, sum(bytes) OVER (ORDER BY sequence) AS total FROM candidates)
            SELECT feed_heads.sequence AS newest,
                coalesce(
                    (SELECT min(sequence) FROM feed WHERE organisation = \(organisation)), feed_heads.sequence + 1
                ) AS oldest,
                (SELECT count(*) FROM candidates) AS found, counted.sequence, counted.event
            FROM feed_heads
            LEFT JOIN counted ON counted.total <= \(PanelLimits.feedPageBytesMax) OR counted.total = counted.bytes
            WHERE feed_heads.organisation = \(organisation) ORDER BY counted.sequence
            """)
        guard let first = rows.first else {
            return Page(entries: [], bounds: .empty, next: sequence, isLast: true)
        }
        let bounds = Bounds(oldest: try first.int("oldest"), newest: try first.int("newest"))
        let entries = try rows.compactMap { row in
            try row.optionalInt("sequence").map { Entry(sequence: $0, event: try row.string("event")) }
        }
        let found = try first.int("found")
        let isLast = found < limit && entries.count == found
        let next = isLast ? max(sequence, bounds.newest) : entries.last?.sequence ?? sequence
        return Page(entries: entries, bounds: bounds, next: next, isLast: isLast)
    }

    func bounds(of organisation: OrganisationID) async throws -> Bounds {
        try await page(of: organisation, after: Int.max, types: [], limit: 1).bounds
    }

    // MARK: Upkeep

    /// Removes what is too old, and what an organisation has over its limit; a batch at a time.
    func purge(
        now: Timestamp, perOrganisationMax: Int = PanelLimits.feedEventsPerOrganisationMax,
        batch: Int = PanelLimits.purgeBatch
    ) async throws {
        let oldest = now.advanced(by: .zero - PanelLimits.feedKept)
        // Lowest numbers first: what is left has no gaps, even between two batches.
        while try await !pool.query(
            """
            WITH cuts AS (
                SELECT organisation, greatest(
                    sequence - \(perOrganisationMax),
                    (SELECT max(feed.sequence) FROM feed
                        WHERE feed.organisation = feed_heads.organisation AND feed.recorded_at < \(oldest))) AS cut
                FROM feed_heads),
            expired AS (
                SELECT feed.organisation, feed.sequence FROM feed JOIN cuts ON cuts.organisation = feed.organisation
                WHERE feed.sequence <= cuts.cut ORDER BY feed.organisation, feed.sequence LIMIT \(batch))
            DELETE FROM feed USING expired
            WHERE feed.organisation = expired.organisation AND feed.sequence = expired.sequence RETURNING 1
            """
        ).isEmpty {}
        let gone = now.advanced(by: .zero - PanelLimits.removedEnvironmentsKept)
        try await pool.query("DELETE FROM removed_environments WHERE removed_at < \(gone)")
    }
}
