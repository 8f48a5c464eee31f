// SPDX-License-Identifier: Apache-2.0
import Messaging
import Postgres

let builderMigrations = [
    Outbox.migration,
    Migration(
        2, "builds",
        """
        CREATE TABLE builds (
            id text PRIMARY KEY, identity text NOT NULL, deployment text NOT NULL, environment text NOT NULL,
            request text NOT NULL,
            state text NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
            attempt int NOT NULL DEFAULT 0, cancel_requested boolean NOT NULL DEFAULT false,
            worker text, lease_until timestamptz, image text, was_reused boolean, reason text,
            requested_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, finished_at timestamptz,
            CHECK (state <> 'running' OR (worker IS NOT NULL AND lease_until IS NOT NULL)));
        CREATE INDEX builds_unfinished ON builds (requested_at, id) WHERE state IN ('queued', 'running');
        CREATE TABLE images (
            identity text PRIMARY KEY, image text NOT NULL, bytes bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now());
        """),
    // Of the request that asked for the deployment.
    Migration(3, "traces", "ALTER TABLE builds ADD COLUMN traceparent text"),
]
