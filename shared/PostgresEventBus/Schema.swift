// SPDX-License-Identifier: Apache-2.0
import Postgres

/// Every partition has a row in `partitions`; publishing takes the row's lock until commit, so within a partition the
/// order of offsets is the order of commits and there are no gaps to wait for.
///
/// The log's only index is its primary key, which grows at one place per partition, and retention cuts a partition off
/// at its old end: no operation's cost depends on how much is stored. The functions forbid the planner what it finds
/// cheaper while a table is small, since a plan is kept while the table grows. `partitions` and `offsets` are changed
/// all the time: room in their pages lets changes stay in place (heap-only tuples).
let busMigrations = [
    Migration(
        1, "log",
        """
        CREATE TABLE partitions (
            id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, partition int NOT NULL,
            oldest_offset bigint NOT NULL DEFAULT 0, next_offset bigint NOT NULL DEFAULT 0,
            UNIQUE (topic, partition)
        ) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
        CREATE TABLE events (
            partition_id int NOT NULL, "offset" bigint NOT NULL,
            published_at timestamptz NOT NULL DEFAULT clock_timestamp(), key text NOT NULL, headers text NOT NULL,
            value bytea NOT NULL, PRIMARY KEY (partition_id, "offset"));
        CREATE TABLE states (
            partition_id int NOT NULL, "offset" bigint NOT NULL,
            published_at timestamptz NOT NULL DEFAULT clock_timestamp(), key text NOT NULL, headers text NOT NULL,
            value bytea, PRIMARY KEY (partition_id, key)
        ) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
        CREATE UNIQUE INDEX states_in_order ON states (partition_id, "offset");
        CREATE INDEX tombstones_by_age ON states (partition_id, published_at) WHERE value IS NULL;
        CREATE TABLE offsets (
            "group" text NOT NULL, topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL DEFAULT 0,
            epoch bigint NOT NULL DEFAULT 0, PRIMARY KEY ("group", topic, partition)
        ) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
        """),
    Migration(
        2, "functions",
        """
        -- The first counts[1] records are for partition to_partitions[1] of to_topics[1], and so on. Callers give the
        -- partitions in one order, so that they cannot deadlock.
        \(publishing(into: "events"))

        -- A key may occur once in a partition.
        \(publishing(into: "states", replacingKeys))

        -- In order, until there are enough records or bytes; at least one.
        \(reading(from: "events"))

        \(reading(from: "states"))

        -- Removes the expired records at the old end of a partition, at most batch, and returns how many it removed.
        CREATE FUNCTION expire_events(of_topic text, of_partition int, keep interval, batch int) RETURNS bigint
        LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
        DECLARE
            slot partitions;
            cut bigint;
        BEGIN
            SELECT * INTO slot FROM partitions WHERE topic = of_topic AND partition = of_partition;
            SELECT coalesce(
                    min(page."offset") FILTER (WHERE page.published_at >= clock_timestamp() - keep),
                    max(page."offset") + 1)
                INTO cut
                FROM (
                    SELECT "offset", published_at FROM events
                    WHERE partition_id = slot.id AND "offset" >= slot.oldest_offset
                    ORDER BY "offset" LIMIT batch) AS page;
            IF cut IS NULL OR cut <= slot.oldest_offset THEN RETURN 0; END IF;
            DELETE FROM events
            WHERE partition_id = slot.id AND "offset" >= slot.oldest_offset AND "offset" < cut;
            -- Last, since publishers wait for the row.
            UPDATE partitions SET oldest_offset = cut WHERE id = slot.id AND oldest_offset < cut;
            RETURN cut - slot.oldest_offset;
        END $$;
        """),
]

private let replacingKeys = """

            ON CONFLICT (partition_id, key) DO UPDATE SET "offset" = excluded."offset",
                published_at = excluded.published_at, headers = excluded.headers, value = excluded.value
    """

/// The function that appends to `table`. Written out for each table: a name that is filled in as it runs would have it
/// planned for each partition of each batch anew.
private func publishing(into table: String, _ conflict: String = "") -> String {
    """
    CREATE FUNCTION publish_\(table)(
        to_topics text[], to_partitions int[], counts int[], keys text[], headers_of text[], contents bytea[]
    ) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    DECLARE
        slot record;
        start int := 1;
        last int;
    BEGIN
        FOR number IN 1..cardinality(to_topics) LOOP
            UPDATE partitions SET next_offset = next_offset + counts[number]
            WHERE topic = to_topics[number] AND partition = to_partitions[number]
            RETURNING id, next_offset - counts[number] AS first INTO slot;
            IF NOT FOUND THEN
                RAISE 'topic % has no partition %', to_topics[number], to_partitions[number];
            END IF;
            last := start + counts[number] - 1;
            INSERT INTO \(table) (partition_id, "offset", key, headers, value)
            SELECT slot.id, slot.first + given.position - 1, given.key, given.headers, given.content
            FROM unnest(keys[start:last], headers_of[start:last], contents[start:last])
                WITH ORDINALITY AS given (key, headers, content, position)\(conflict);
            start := last + 1;
        END LOOP;
    END $$;
    """
}

/// The function that reads a partition of `table`.
private func reading(from table: String) -> String {
    """
    CREATE FUNCTION read_\(table)(of_topic text, of_partition int, since bigint, records int, bytes int)
    RETURNS TABLE ("offset" bigint, key text, headers text, value bytea)
    LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT "offset", key, headers, value
        FROM (
            SELECT page.*, sum(octet_length(headers) + coalesce(octet_length(value), 0)) OVER (
                ORDER BY "offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
            FROM (
                SELECT "offset", key, headers, value FROM \(table)
                WHERE "offset" >= since AND partition_id = (
                        SELECT id FROM partitions WHERE topic = of_topic AND partition = of_partition)
                ORDER BY "offset" LIMIT records) AS page) AS page
        WHERE bytes_before IS NULL OR bytes_before < bytes
        ORDER BY "offset";
    END $$;
    """
}
