# SPDX-License-Identifier: Apache-2.0
"""Events as Slipway publishes them: CloudEvents 1.0, in Kafka's binary mode or as one JSON document."""

import json
from dataclasses import dataclass
from datetime import datetime


class NotAnEvent(Exception):
    """What arrived cannot be read as an event; the message says why."""


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    time: datetime
    data: dict


def from_kafka(message) -> Event | None:
    """Attributes are in `ce_` headers, data in the value. `None` for a tombstone: its key is gone from the topic."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or []}
    if message.value() is None:
        return None
    return event({name.removeprefix("ce_"): value for name, value in headers.items()}, message.value())


def from_json(text: str) -> Event:
    """Attributes and data are members of one object."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotAnEvent(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotAnEvent("not a JSON object")
    return event(document, document.get("data"))


def event(attributes: dict, data) -> Event:
    missing = [name for name in ("id", "type", "time") if not attributes.get(name)]
    if missing:
        raise NotAnEvent(f"without {', '.join(missing)}")
    try:
        time = datetime.fromisoformat(attributes["time"])
        document = json.loads(data) if isinstance(data, bytes) else data
    except ValueError as error:
        raise NotAnEvent(str(error)) from error
    if not isinstance(document, dict):
        raise NotAnEvent("its data are not a JSON object")
    return Event(attributes["id"], attributes["type"], time, document)
