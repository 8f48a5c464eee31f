// SPDX-License-Identifier: Apache-2.0
import Messaging
import Postgres

let panelMigrations: [Migration] = [
    Outbox.migration,
    Migration(
        2, "accounts",
        """
        CREATE TABLE users (
            id text PRIMARY KEY, email text NOT NULL, name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now());
        CREATE UNIQUE INDEX users_by_email ON users (lower(email));
        CREATE TABLE organisations (
            id text PRIMARY KEY, name text NOT NULL CONSTRAINT organisation_name UNIQUE,
            created_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE memberships (
            user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
            organisation text NOT NULL REFERENCES organisations ON DELETE CASCADE,
            role text NOT NULL CHECK (role IN ('owner', 'developer', 'viewer')),
            PRIMARY KEY (user_id, organisation));
        CREATE TABLE tokens (
            id text PRIMARY KEY, user_id text NOT NULL REFERENCES users ON DELETE CASCADE, name text NOT NULL,
            hash bytea NOT NULL CONSTRAINT token_hash UNIQUE, created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz, last_used_at timestamptz);
        CREATE INDEX tokens_by_user ON tokens (user_id);
        CREATE TABLE idempotency_keys (
            user_id text NOT NULL REFERENCES users ON DELETE CASCADE, key text NOT NULL, request_hash bytea NOT NULL,
            status int NOT NULL, body text NOT NULL, location text, created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, key));
        CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
        """),
    Migration(
        3, "apps",
        """
        CREATE TABLE apps (
            id text PRIMARY KEY, organisation text NOT NULL REFERENCES organisations, name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT app_name UNIQUE (organisation, name));
        CREATE TABLE environments (
            id text PRIMARY KEY, app text NOT NULL REFERENCES apps ON DELETE CASCADE, name text NOT NULL,
            branch text NOT NULL, hostname text NOT NULL CONSTRAINT environment_hostname UNIQUE,
            pushed_commit text, current_deployment text, next_number int NOT NULL DEFAULT 1,
            variables_revision int NOT NULL DEFAULT 0, log_sequence bigint NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT environment_name UNIQUE (app, name),
            CONSTRAINT environment_branch UNIQUE (app, branch));
        CREATE TABLE variables (
            environment text NOT NULL REFERENCES environments ON DELETE CASCADE, name text NOT NULL, value text,
            sealed jsonb, visible_in_build boolean NOT NULL, revision int NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (environment, name),
            CHECK ((value IS NULL) <> (sealed IS NULL)));
        CREATE TABLE removed_repositories (
            app text PRIMARY KEY, organisation_name text NOT NULL, app_name text NOT NULL,
            removed_at timestamptz NOT NULL DEFAULT now());
        """),
    Migration(
        4, "deployments",
        """
        CREATE TABLE deployments (
            id text PRIMARY KEY, environment text NOT NULL REFERENCES environments ON DELETE CASCADE,
            number int NOT NULL, kind text NOT NULL, state text NOT NULL, stage text NOT NULL, commit_id text NOT NULL,
            message text NOT NULL, image text, image_reused boolean NOT NULL DEFAULT false, reason text,
            created_by text REFERENCES users ON DELETE SET NULL, created_at timestamptz NOT NULL DEFAULT now(),
            started_at timestamptz, finished_at timestamptz, snapshot json NOT NULL,
            log_lines int NOT NULL DEFAULT 0, UNIQUE (environment, number));
        CREATE VIEW deployment_details AS
            SELECT d.id, d.environment, d.number, d.kind, d.state, d.stage, d.commit_id, d.message, d.image,
                d.image_reused, d.reason, users.email AS created_by_email, d.created_at, d.started_at, d.finished_at,
                environments.hostname, environments.current_deployment
            FROM deployments d JOIN environments ON environments.id = d.environment
            LEFT JOIN users ON users.id = d.created_by;
        CREATE TABLE deployment_log (
            deployment text NOT NULL REFERENCES deployments ON DELETE CASCADE, sequence int NOT NULL,
            at timestamptz NOT NULL, stage text NOT NULL, text text NOT NULL, PRIMARY KEY (deployment, sequence));
        CREATE TABLE app_logs (
            environment text NOT NULL REFERENCES environments ON DELETE CASCADE, sequence bigint NOT NULL,
            at timestamptz NOT NULL, instance text, source text NOT NULL, text text NOT NULL,
            PRIMARY KEY (environment, sequence));
        """),
    Migration(
        5, "events",
        """
        ALTER TABLE users ADD COLUMN is_operator boolean NOT NULL DEFAULT false;
        CREATE TABLE feed_heads (
            organisation text PRIMARY KEY REFERENCES organisations ON DELETE CASCADE, sequence bigint NOT NULL);
        CREATE TABLE feed (
            organisation text NOT NULL REFERENCES feed_heads ON DELETE CASCADE, sequence bigint NOT NULL,
            type text NOT NULL, bytes int NOT NULL, event json NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (organisation, sequence));
        CREATE INDEX feed_by_age ON feed (organisation, recorded_at);
        CREATE TABLE removed_environments (
            id text PRIMARY KEY, organisation text NOT NULL REFERENCES organisations ON DELETE CASCADE,
            removed_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE dead_letters (
            id text PRIMARY KEY, consumer text NOT NULL, topic text NOT NULL, partition int NOT NULL,
            "offset" bigint NOT NULL, record_key text NOT NULL, event_id text, type text, cause text NOT NULL,
            value_omitted boolean NOT NULL, letter json NOT NULL, parked_at timestamptz NOT NULL,
            status text NOT NULL DEFAULT 'parked' CHECK (status IN ('parked', 'replayed', 'discarded')),
            decided_at timestamptz, decided_by text REFERENCES users ON DELETE SET NULL);
        CREATE INDEX dead_letters_by_age ON dead_letters (parked_at);
        CREATE VIEW dead_letter_details AS
            SELECT dead_letters.*, users.email AS decided_by_email FROM dead_letters
            LEFT JOIN users ON users.id = dead_letters.decided_by;
        """),
    Migration(
        6, "rollback targets",
        """
        ALTER TABLE deployments ADD COLUMN restores int;
        CREATE OR REPLACE VIEW deployment_details AS
            SELECT d.id, d.environment, d.number, d.kind, d.state, d.stage, d.commit_id, d.message, d.image,
                d.image_reused, d.reason, users.email AS created_by_email, d.created_at, d.started_at, d.finished_at,
                environments.hostname, environments.current_deployment, d.restores
            FROM deployments d JOIN environments ON environments.id = d.environment
            LEFT JOIN users ON users.id = d.created_by;
        """),
    Migration(
        7, "removed deployments",
        """
        CREATE TABLE removed_deployments (
            id text PRIMARY KEY, environment text NOT NULL REFERENCES removed_environments ON DELETE CASCADE);
        CREATE INDEX removed_deployments_by_environment ON removed_deployments (environment);
        """),
]
