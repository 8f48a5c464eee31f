# SPDX-License-Identifier: Apache-2.0
"""What operators see of the event bus, and what becomes of records that nobody can handle."""

import json
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from slipway_local.cli import Client, CommandFailed
from slipway_local.processes import executable
from support.platform import BUS
from support.waiting import eventually

TOPICS = {"environments", "deployments", "builds", "services", "hosts.observed", "instances.desired",
          "instances.observed", "routes.desired", "routes.observed", "telemetry.logs", "usage", "dead-letters"}
LARGE_BYTES = 20 << 20
EXIT_MAX_SECONDS = 10


@pytest.fixture(scope="module")
def app(platform):
    """Bad records are put into the partition of its events: they must not be in its way."""
    app = platform.new_app("eventful")
    app.push_ok("First version")
    yield app
    app.delete()


def envelope(identifier: str, kind: str, **changes) -> dict[str, str]:
    """Headers of a CloudEvent in Kafka's binary mode; `None` leaves one out."""
    headers = {
        "ce_specversion": "1.0", "ce_id": identifier, "ce_type": kind, "ce_source": "/somebody/else",
        "ce_time": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"), "content-type": "application/json"}
    return {name: value for name, value in (headers | changes).items() if value is not None}


def letters(platform, *arguments: str) -> list[dict]:
    return platform.client.json("events", "dead-letters", "list", *arguments)


def letter_at(platform, app, identifier: str | None, consumer: str = "controller") -> dict:
    """The letter about the record that was put last with this id, or without one."""

    def parked() -> dict | None:
        found = [letter for letter in letters(platform, "--consumer", consumer)
                 if letter["recordKey"] == app.id and letter["eventId"] == identifier]
        return found[0] if found else None

    return eventually(f"the record {identifier} is among the dead letters of {consumer}", parked, 60)


def discard(platform, letter: dict) -> None:
    platform.client.slipway("events", "dead-letters", "discard", letter["id"])
    assert letter["id"] not in [other["id"] for other in letters(platform)]
    assert letter["id"] in [other["id"] for other in letters(platform, "--status", "discarded")]


def test_topics_are_listed_with_what_they_hold(platform, app):
    topics = {topic["name"]: topic for topic in platform.client.json("events", "topics")}
    assert set(topics) >= TOPICS
    assert all(len(topic["partitions"]) == topic["partitionCount"] for topic in topics.values())
    assert sum(part["next"] for part in topics["deployments"]["partitions"]) > 0
    table = platform.client.slipway("events", "topics")
    assert all(name in table for name in TOPICS)


def test_lag_of_every_consumer_is_shown_and_goes_to_nothing(platform, app):
    def caught_up() -> bool:
        lag = [row for row in platform.client.json("events", "lag") if row["topic"] == "deployments"]
        assert {row["group"] for row in lag} >= {"controller", "panel"}, lag
        assert all(row["lag"] == 0 for row in lag), lag
        return True

    eventually("everybody has caught up", caught_up, 30)
    assert "controller" in platform.client.slipway("events", "lag")


def test_tail_shows_records_as_they_are_published(platform, app):
    client = platform.client
    with subprocess.Popen(
            [str(executable("slipway")), "events", "tail", "--json", "--topic", "deployments"],
            env=client.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
        reader.start()
        try:
            eventually("it says that it has begun", lambda: any("from now on" in line for line in lines), 20)
            deployment = app.deploy({"kind": "redeploy"})

            def types() -> set[str]:
                records = [json.loads(line) for line in list(lines) if line.startswith("{")]
                assert all(record["topic"] == "deployments" for record in records)
                return {record["type"] for record in records if deployment["id"] in (record["value"] or "")}

            eventually("it shows the deployment from its request to its end", lambda: types() >= {
                "deployment.requested.v1", "deployment.progressed.v1", "deployment.succeeded.v1"}, 20)
        finally:
            process.terminate()
            process.wait(EXIT_MAX_SECONDS)
            reader.join(EXIT_MAX_SECONDS)


def test_only_operators_look_into_the_bus(platform, app):
    other = Client(platform.stack, organisation="onlookers", email="onlooker@example.org")
    other.ensure_login()
    for arguments in (("topics",), ("lag",), ("dead-letters", "list")):
        with pytest.raises(CommandFailed, match="operator"):
            other.slipway("events", *arguments)


BAD_RECORDS = {
    "not-json": (dict(), "deployment.requested.v1", b"{this is no JSON", "json"),
    "unknown-type": (dict(), "deployment.exploded.v1", b"{}", "not in the catalogue"),
    "unknown-version": (dict(), "deployment.requested.v99", b"{}", "version"),
    "without-id": ({"ce_id": None}, "deployment.requested.v1", b"{}", "ce_id"),
    "without-type": ({"ce_type": None}, "deployment.requested.v1", b"{}", "ce_type"),
    "without-field": (dict(), "deployment.requested.v1", b"{}", "missing"),
    "structured-mode": (
        {"content-type": "application/cloudevents+json"}, "deployment.requested.v1", b"{}", "structured mode"),
    "no-event-at-all": (
        dict.fromkeys(["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type"]),
        "", b"\xc3\xa4", "ce_"),
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_bad_record_is_parked_with_its_cause_and_its_partition_goes_on(platform, app, kind):
    changes, event_type, value, cause = BAD_RECORDS[kind]
    identifier = f"evt_bad_{kind}_{time.time_ns()}"
    headers = envelope(identifier, event_type, **changes)
    platform.bus.put("deployments", app.id, headers, value)
    letter = letter_at(platform, app, headers.get("ce_id"))
    assert letter["topic"] == "deployments" and cause in letter["cause"].lower(), letter
    assert app.deploy({"kind": "redeploy"})["state"] == "succeeded"
    shown = platform.client.json("events", "dead-letters", "show", letter["id"])
    assert shown["headers"] == headers and shown["value"].encode() == value
    discard(platform, letter)


def test_record_of_20_megabytes_is_parked_without_its_value(platform, app):
    identifier = f"evt_large_{time.time_ns()}"
    value = json.dumps({"filler": "x" * LARGE_BYTES}).encode()
    platform.bus.put("deployments", app.id, envelope(identifier, "deployment.requested.v1"), value)
    letter = letter_at(platform, app, identifier)
    assert "bytes" in letter["cause"] and not letter["canReplay"], letter
    with pytest.raises(CommandFailed):
        platform.client.slipway("events", "dead-letters", "replay", letter["id"])
    assert app.deploy({"kind": "redeploy"})["state"] == "succeeded"
    discard(platform, letter)


def test_event_from_a_clock_that_is_ahead_is_handled(platform, app):
    deployment, identifier = f"dpl_ahead_{time.time_ns()}", f"evt_ahead_{time.time_ns()}"
    ahead = (datetime.now(timezone.utc) + timedelta(days=400)).isoformat().replace("+00:00", "Z")
    value = json.dumps({"deployment": deployment, "environment": app.id}).encode()
    headers = envelope(identifier, "deployment.cancel-requested.v1", ce_time=ahead)
    platform.bus.put("deployments", app.id, headers, value)
    # Nobody knows the deployment: the controller says at once that it has ended.
    eventually("it is handled", lambda: any(
        record["headers"].get("ce_type") == "deployment.failed.v1" and deployment in record["value"]
        for record in platform.bus.records("deployments")), 60)
    assert identifier not in [letter["eventId"] for letter in letters(platform)]
    assert app.deploy({"kind": "redeploy"})["state"] == "succeeded"
    eventually("the controller warns of the clock", lambda: "/somebody/else" in platform.stack.log_file(
        "controller").read_text(), 10)


def test_record_that_poisons_its_handler_is_parked_and_handled_when_it_is_replayed(platform, app):
    database = platform.stack.platform
    database.psql(f"ALTER TABLE deployments ADD CONSTRAINT poison CHECK (environment <> '{app.id}') NOT VALID",
                  "controller")
    try:
        status, document = platform.api("POST", f"{app.environment_path}/deployments", {"kind": "redeploy"})
        assert status == 202, document
        letter = eventually("the request is parked", lambda: next((
            letter for letter in letters(platform, "--consumer", "controller")
            if letter["recordKey"] == app.id and "poison" in letter["cause"]), None), 60)
        assert letter["type"] == "deployment.requested.v1" and letter["canReplay"], letter
        assert letter["id"] in platform.client.slipway("events", "dead-letters")
        # Replayed too early it fails again and is parked anew.
        platform.client.slipway("events", "dead-letters", "replay", letter["id"])
        again = eventually("it is parked again", lambda: next((
            other for other in letters(platform, "--consumer", "controller")
            if other["id"] != letter["id"] and "poison" in other["cause"]), None), 60)
    finally:
        database.psql("ALTER TABLE deployments DROP CONSTRAINT poison", "controller")
    platform.client.slipway("events", "dead-letters", "replay", again["id"])
    assert app.await_deployment(document["id"])["state"] == "succeeded"
    replayed = [other["id"] for other in letters(platform, "--status", "replayed")]
    assert letter["id"] in replayed and again["id"] in replayed
    with pytest.raises(CommandFailed):
        platform.client.slipway("events", "dead-letters", "replay", again["id"])


def test_nothing_is_left_among_the_dead_letters(platform, app):
    parked = [letter for letter in letters(platform) if letter["consumer"] == "controller"]
    assert parked == [], f"on {BUS}"
