# SPDX-License-Identifier: Apache-2.0
"""What is to be billed, in a SQLite file: one row per event, sums only when they are asked for.

An event that comes again finds its row and changes nothing. Events of different topics come in any order: what belongs
together is joined when it is read.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path

from cloud_events import Event

SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    event TEXT PRIMARY KEY, organisation TEXT NOT NULL, instance_seconds INTEGER NOT NULL,
    memory_mebibyte_seconds INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS builds (
    event TEXT PRIMARY KEY, deployment TEXT NOT NULL, milliseconds INTEGER NOT NULL, organisation TEXT);
CREATE TABLE IF NOT EXISTS deployments (deployment TEXT PRIMARY KEY, environment TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS environments (environment TEXT PRIMARY KEY, organisation TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (feed TEXT PRIMARY KEY, last_id TEXT NOT NULL);
"""
TOTALS = """
WITH used AS (
    SELECT organisation, instance_seconds, memory_mebibyte_seconds, 0 AS build_milliseconds FROM usage
    UNION ALL
    SELECT coalesce(builds.organisation, environments.organisation, '(not known yet)'), 0, 0, milliseconds FROM builds
    LEFT JOIN deployments USING (deployment) LEFT JOIN environments USING (environment))
SELECT organisation, sum(instance_seconds), sum(memory_mebibyte_seconds), sum(build_milliseconds) / 1000.0
FROM used GROUP BY organisation ORDER BY organisation
"""
# Types that are not named here, and members of the data that are not read, may come at any time and mean nothing here.
TYPES = ["usage.recorded.v1", "build.succeeded.v1", "deployment.progressed.v1", "environment.desired.v1"]


class Ledger:
    """Raises `sqlite3.Error` where the file cannot be used."""

    def __init__(self, path: Path, is_created: bool = True):
        mode = "rwc" if is_created else "rw"
        self.connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)
        if is_created:
            self.connection.executescript(SCHEMA)

    def write(self, events: Iterable[Event], organisation: str | None = None, feed: str = "",
              position: str | None = None) -> None:
        """All of it or nothing. `organisation` is given by those who read one organisation's feed only."""
        with self.connection:
            for event in events:
                try:
                    self.enter(event, organisation)
                except (KeyError, TypeError, ValueError) as error:
                    print(f"passed over {event.place}: {event.type} {event.id}: {error!r}", file=sys.stderr)
            if position is not None:
                self.connection.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (feed, position))

    def enter(self, event: Event, organisation: str | None) -> None:
        data = event.data
        if event.type == "usage.recorded.v1":
            self.insert("usage", event.id, data["organisation"], int(data["instanceSeconds"]),
                        int(data["memoryMebibyteSeconds"]))
        elif event.type == "build.succeeded.v1":
            # An image that was there already took nobody's time.
            milliseconds = 0 if data["wasReused"] else int(data["durationMilliseconds"])
            self.insert("builds", event.id, data["deployment"], milliseconds, organisation)
        elif event.type == "deployment.progressed.v1":
            self.insert("deployments", data["deployment"], data["environment"])
        elif event.type == "environment.desired.v1":
            self.insert("environments", data["environment"], data["organisation"])

    def insert(self, table: str, *values) -> None:
        places = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", values)

    def position(self, feed: str) -> str | None:
        row = self.connection.execute("SELECT last_id FROM position WHERE feed = ?", (feed,)).fetchone()
        return row[0] if row else None

    def totals(self) -> str:
        """One JSON line per organisation."""
        names = ("organisation", "instanceSeconds", "memoryMebibyteSeconds", "buildSeconds")
        return "".join(json.dumps(dict(zip(names, row))) + "\n" for row in self.connection.execute(TOTALS))


def print_totals(path: Path) -> None:
    """What `totals` does, of each program. Makes no ledger where there is none."""
    if not path.exists():
        sys.exit(f"there is no ledger {path}: `run` makes it")
    print(Ledger(path, is_created=False).totals(), end="")
