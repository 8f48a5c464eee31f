# SPDX-License-Identifier: Apache-2.0
"""Entries of the guestbook in Postgres. Slipway hands the address over as DATABASE_URL."""

import os
from contextlib import contextmanager

from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

CONNECTIONS_MAX = 4
_pool = None

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    message text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
)
"""


def pool():
    # Made on first use: after gunicorn has forked, connections must not be shared by its workers.
    global _pool
    if _pool is None:
        _pool = ThreadedConnectionPool(
            0, CONNECTIONS_MAX, os.environ["DATABASE_URL"], connect_timeout=5, options="-c timezone=UTC")
    return _pool


@contextmanager
def cursor():
    """One transaction. A connection that broke is thrown away, so that the next request gets a new one."""
    connection = pool().getconn()
    try:
        with connection, connection.cursor(cursor_factory=RealDictCursor) as result:
            yield result
    finally:
        pool().putconn(connection, close=bool(connection.closed))


def create_tables():
    with cursor() as query:
        query.execute(SCHEMA)


def newest(limit):
    with cursor() as query:
        query.execute("SELECT id, name, message, written_at FROM entries ORDER BY id DESC LIMIT %s", (limit,))
        return query.fetchall()


def add(name, message):
    with cursor() as query:
        query.execute("INSERT INTO entries (name, message) VALUES (%s, %s) RETURNING id", (name, message))
        return query.fetchone()["id"]
