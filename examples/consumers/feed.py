# SPDX-License-Identifier: Apache-2.0
"""Billing without a Kafka client: one organisation's events over HTTP, as server-sent events.

  SLIPWAY_TOKEN=… feed.py run --url URL --organisation NAME --ledger FILE     until SIGTERM
  feed.py totals --ledger FILE                                                one JSON line per organisation

Only the standard library is needed. The position in the feed is written with what was read, in one transaction: after
a crash at any point reading goes on with the next event, without a gap and without a repetition.
"""

import argparse
import http.client
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from cloud_events import NotAnEvent, from_json
from ledger import Ledger, print_totals

TYPES = ["usage.recorded.v1", "build.succeeded.v1"]
# The panel writes something every few seconds: a stream that is silent for so long is dead.
SILENCE_MAX_SECONDS = 60
BACK_OFF_MIN_SECONDS = 0.5
BACK_OFF_MAX_SECONDS = 30
TRY_AGAIN = {429, 500, 502, 503, 504}


class Refused(Exception):
    """The panel does not give the feed, and trying again would not help."""


class Feed:
    """Messages of the feed, each with its id; connects anew after what it has seen."""

    def __init__(self, url: str, organisation: str, token: str, last_id: str | None):
        self.url = urlsplit(url)
        self.path = f"{self.url.path.rstrip('/')}/v1/organisations/{quote(organisation)}/events?types={','.join(TYPES)}"
        self.token = token
        self.last_id = last_id

    def messages(self) -> Iterator[tuple[str, str | None]]:
        """Id and data; no data when only the position has moved, over events of other types."""
        back_off = BACK_OFF_MIN_SECONDS
        while True:
            try:
                for message in self.connect():
                    back_off = BACK_OFF_MIN_SECONDS
                    yield message
            except (OSError, http.client.HTTPException) as error:
                print(f"{error!r}, connecting again", file=sys.stderr)
            time.sleep(back_off * random.uniform(0.5, 1))
            back_off = min(back_off * 2, BACK_OFF_MAX_SECONDS)

    def connect(self) -> Iterator[tuple[str, str | None]]:
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.url.hostname, self.url.port, timeout=SILENCE_MAX_SECONDS)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.token}"}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        try:
            connection.request("GET", self.path, headers=headers)
            response = connection.getresponse()
            if response.status in TRY_AGAIN:
                raise http.client.HTTPException(f"the panel answered {response.status}")
            if response.status != 200:
                raise Refused(f"the panel answered {response.status}: {response.read(2000).decode(errors='replace')}")
            yield from self.read(response)
        finally:
            connection.close()

    def read(self, response) -> Iterator[tuple[str, str | None]]:
        """The stream's format is that of WHATWG HTML, 9.2. A message that is cut off has no empty line after it."""
        identifier, data = None, []
        while line := response.readline():
            name, _, value = line.decode().rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                identifier = value
            elif name == "data":
                data.append(value)
            elif not line.strip() and identifier is not None:
                self.last_id = identifier
                yield identifier, "\n".join(data) if data else None
                identifier, data = None, []


def run(arguments: argparse.Namespace) -> None:
    token = os.environ.get("SLIPWAY_TOKEN")
    if not token:
        sys.exit("SLIPWAY_TOKEN is not set: make a token with `slipway tokens create`")
    ledger = Ledger(arguments.ledger)
    name = f"{arguments.url.rstrip('/')}/{arguments.organisation}"
    feed = Feed(arguments.url, arguments.organisation, token, ledger.position(name))
    for identifier, data in feed.messages():
        events = []
        if data is not None:
            try:
                events.append(from_json(data, f"event {identifier}"))
            except NotAnEvent as error:
                print(f"passed over event {identifier}: {error}", file=sys.stderr)
        ledger.write(events, arguments.organisation, name, identifier)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sums up what an organisation has used, without a Kafka client.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (commands.add_parser("run"), commands.add_parser("totals")):
        command.add_argument("--ledger", type=Path, required=True, help="SQLite file")
    commands.choices["run"].add_argument("--url", required=True, help="address of the panel")
    commands.choices["run"].add_argument("--organisation", required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if arguments.command == "totals":
            print_totals(arguments.ledger)
        else:
            run(arguments)
    except sqlite3.Error as error:
        sys.exit(f"ledger {arguments.ledger}: {error}")
    except Refused as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
