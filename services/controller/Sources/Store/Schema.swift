// SPDX-License-Identifier: Apache-2.0
import Messaging
import Postgres

let controllerMigrations = [
    Outbox.migration,
    Migration(
        2, "orchestration",
        """
        CREATE TABLE environments (
            id text PRIMARY KEY, current_deployment text, is_removed boolean NOT NULL DEFAULT false,
            torn_down_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE deployments (
            id text PRIMARY KEY, environment text NOT NULL REFERENCES environments ON DELETE CASCADE,
            position bigint GENERATED ALWAYS AS IDENTITY, request jsonb NOT NULL,
            state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'failed')),
            stage text NOT NULL DEFAULT 'queued', stage_entered_at timestamptz NOT NULL DEFAULT now(),
            image text, image_was_reused boolean NOT NULL DEFAULT false, build text, build_failure text,
            switch_generation bigint, cancel_requested boolean NOT NULL DEFAULT false,
            messages int NOT NULL DEFAULT 0, note text, created_at timestamptz NOT NULL DEFAULT now(),
            finished_at timestamptz);
        CREATE INDEX deployments_in_progress ON deployments (environment, position) WHERE state = 'running';
        CREATE INDEX deployments_by_build ON deployments (build) WHERE build IS NOT NULL;
        CREATE TABLE images (
            identity text PRIMARY KEY, image text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE services (
            id text PRIMARY KEY, environment text NOT NULL REFERENCES environments ON DELETE CASCADE,
            name text NOT NULL, state text NOT NULL, url jsonb, reason text,
            changed_at timestamptz NOT NULL DEFAULT now(),
            created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (environment, name));
        CREATE TABLE hosts (id text PRIMARY KEY, observed jsonb NOT NULL);
        CREATE TABLE ingress_nodes (id text PRIMARY KEY, observed jsonb NOT NULL);
        CREATE TABLE instances (
            id text PRIMARY KEY, environment text NOT NULL REFERENCES environments ON DELETE CASCADE,
            deployment text NOT NULL, host text NOT NULL, role text NOT NULL, goal text NOT NULL,
            memory_bytes bigint NOT NULL, desired jsonb NOT NULL, phase jsonb,
            stop_requested_at timestamptz, retired_at timestamptz, created_at timestamptz NOT NULL DEFAULT now());
        CREATE INDEX instances_by_environment ON instances (environment);
        CREATE INDEX instances_by_host ON instances (host);
        CREATE TABLE routes (
            hostname text PRIMARY KEY, environment text NOT NULL REFERENCES environments ON DELETE CASCADE,
            generation bigint NOT NULL, upstreams jsonb NOT NULL);
        CREATE INDEX routes_by_environment ON routes (environment);
        CREATE TABLE route_generation (value bigint NOT NULL);
        INSERT INTO route_generation VALUES (0);
        CREATE TABLE controller_clock (alive_at timestamptz NOT NULL);
        """),
    UsageStore.migration,
    // Of the request that asked for the deployment, and of the one that asked for the environment's end.
    Migration(
        4, "traces",
        """
        ALTER TABLE deployments ADD COLUMN traceparent text;
        ALTER TABLE environments ADD COLUMN removal_traceparent text;
        """),
]
