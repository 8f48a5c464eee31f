# SPDX-License-Identifier: Apache-2.0
"""Events as Slipway publishes them: CloudEvents 1.0, in Kafka's binary mode or as one JSON document."""

import json
from dataclasses import dataclass
from datetime import datetime

SPECVERSION = "1.0"


class NotAnEvent(Exception):
    """What arrived cannot be read as an event; the message says why."""


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    time: datetime
    data: dict
    # Where it lies: for people who look for it.
    place: str


def from_kafka(message) -> Event | None:
    """Attributes are in `ce_` headers, data in the value. `None` for a tombstone: its key is gone from the topic."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or []}
    if message.value() is None:
        return None
    attributes = {name.removeprefix("ce_"): value for name, value in headers.items() if name.startswith("ce_")}
    return event(attributes, message.value(), place(message))


def place(message) -> str:
    """Topic, partition and offset of a Kafka record."""
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


def from_json(text: str, place: str) -> Event:
    """Attributes and data are members of one object."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotAnEvent(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotAnEvent("not a JSON object")
    return event(document, document.get("data"), place)


def event(attributes: dict, data, place: str) -> Event:
    missing = [name for name in ("specversion", "id", "type", "time") if not attributes.get(name)]
    if missing:
        raise NotAnEvent(f"without {', '.join(missing)}")
    if attributes["specversion"] != SPECVERSION:
        raise NotAnEvent(f"its specversion is {attributes['specversion']}, not {SPECVERSION}")
    try:
        time = datetime.fromisoformat(attributes["time"])
        document = json.loads(data) if isinstance(data, bytes) else data
    except ValueError as error:
        raise NotAnEvent(str(error)) from error
    if not isinstance(document, dict):
        raise NotAnEvent("its data are not a JSON object")
    return Event(attributes["id"], attributes["type"], time, document, place)
