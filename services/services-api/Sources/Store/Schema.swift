// SPDX-License-Identifier: Apache-2.0
import Messaging
import Postgres

let servicesMigrations = [
    Outbox.migration,
    Migration(
        2, "service instances",
        """
        CREATE TABLE service_instances (
            id text PRIMARY KEY, environment text NOT NULL, organisation text NOT NULL, app text NOT NULL,
            name text NOT NULL, kind text NOT NULL, version text NOT NULL,
            state text NOT NULL DEFAULT 'requested'
                CHECK (state IN ('requested', 'provisioned', 'failed', 'removing', 'removed')),
            -- Names on the server that holds the data.
            database text NOT NULL, role text NOT NULL,
            -- The URL with credentials, sealed to the controller: nobody can read it here.
            url text,
            reason text, attempt int NOT NULL DEFAULT 0, retry_at timestamptz NOT NULL DEFAULT now(),
            requested_at timestamptz NOT NULL DEFAULT now(), changed_at timestamptz NOT NULL DEFAULT now(),
            CHECK (state <> 'provisioned' OR url IS NOT NULL));
        CREATE INDEX service_instances_unfinished ON service_instances (retry_at)
            WHERE state IN ('requested', 'removing');
        """),
    // Of the request that last asked for the service, or for its removal.
    Migration(3, "traces", "ALTER TABLE service_instances ADD COLUMN traceparent text"),
]
