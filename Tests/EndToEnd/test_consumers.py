# SPDX-License-Identifier: Apache-2.0
"""examples/consumers as whoever runs them sees them: processes of their own, beside real deploys."""

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from slipway_local.state import CHECKOUT
from support.bus import consumers_environment
from support.platform import BUS
from support.waiting import eventually

CONSUMERS = CHECKOUT / "examples" / "consumers"
END_MAX_SECONDS = 20
FEED_TYPES = ["usage.recorded.v1", "build.succeeded.v1"]

on_kafka = pytest.mark.skipif(BUS != "kafka", reason="a Kafka client needs a Kafka broker")


@pytest.fixture(scope="module")
def app(platform):
    """It has been built twice."""
    app = platform.new_app("metered")
    app.push_ok("First version")
    app.set_version(f"metered-{BUS}")
    app.push_ok("Second version")
    yield app
    app.delete()


class Consumer:
    """One of the programs, started as often as it is asked for and ended at the end."""

    def __init__(self, platform, program: str, *arguments: str, python: str = sys.executable):
        self.platform = platform
        self.command = [python, "-B", str(CONSUMERS / program), *arguments]
        self.log = platform.folder / f"{program}.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        token = self.platform.client.token_file().read_text()
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command, env={"PATH": os.environ["PATH"], "SLIPWAY_TOKEN": token}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, cwd=self.platform.folder)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_MAX_SECONDS)

    def __enter__(self) -> "Consumer":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


def kafka_consumer(platform, program: str, *arguments: str) -> Consumer:
    python = str(consumers_environment() / "bin" / "python")
    options = ["--brokers", platform.bus.address, "--cloudspace", platform.state.cloudspace]
    command, rest = (arguments[:1], arguments[1:]) if program == "billing.py" else ((), arguments)
    return Consumer(platform, program, *command, *options, *rest, python=python)


def totals(program: str, ledger) -> dict[str, dict]:
    """As the program itself prints them, by organisation; that needs no Kafka client."""
    result = subprocess.run(
        [sys.executable, "-B", str(CONSUMERS / program), "totals", "--ledger", str(ledger)],
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {line["organisation"]: line for line in map(json.loads, result.stdout.splitlines())}


def rows(ledger, query: str) -> list[tuple]:
    with sqlite3.connect(ledger) as connection:
        return connection.execute(query).fetchall()


def events(platform, topic: str, kind: str) -> list[dict]:
    """Id and data of every event of that type which lies on the bus."""
    return [{"id": record["headers"]["ce_id"]} | json.loads(record["value"]) for record in platform.bus.records(topic)
            if record["headers"].get("ce_type") == kind]


def build_seconds(platform) -> float:
    return sum(0 if build["wasReused"] else build["durationMilliseconds"]
               for build in events(platform, "builds", "build.succeeded.v1")) / 1000


def usage_ids(platform) -> set[str]:
    return {event["id"] for event in events(platform, "usage", "usage.recorded.v1")}


@on_kafka
def test_billing_agrees_with_what_was_published_and_counts_nothing_twice(platform, app):
    ledger = platform.folder / "billing.sqlite"
    organisation = platform.client.organisation
    # The broker of these tests never notices that a member is gone: one that is killed has to come back under its name.
    with kafka_consumer(platform, "billing.py", "run", "--ledger", str(ledger), "--member", "billing-1") as billing:
        expected = build_seconds(platform)
        assert expected > 0

        def agrees() -> bool:
            total = totals("billing.py", ledger).get(organisation)
            assert total and total["buildSeconds"] == pytest.approx(expected), f"{total}, {expected}"
            assert total["instanceSeconds"] > 0 and total["memoryMebibyteSeconds"] > total["instanceSeconds"], total
            return True

        eventually("the bill agrees with the builds", agrees, 60)
        # Killed, it may have written what it had not committed: it gets that again.
        before = usage_ids(platform)
        billing.end(signal.SIGKILL)
        billing.start()
        app.deploy({"kind": "redeploy"})
        eventually("usage after that is published", lambda: usage_ids(platform) > before, 60)
        published = usage_ids(platform)
        eventually("it has caught up", lambda: published <= {row[0] for row in rows(
            ledger, "SELECT event FROM usage")}, 60)
        agrees()
        assert billing.end() == 0

    # A group that is new reads everything from the beginning, into the same ledger.
    seconds = {row[0]: row[1] for row in rows(ledger, "SELECT event, instance_seconds FROM usage")}
    with kafka_consumer(platform, "billing.py", "run", "--ledger", str(ledger), "--group", "again") as billing:
        published = {event["id"]: event for event in events(platform, "usage", "usage.recorded.v1")}
        eventually("it has read everything", lambda: platform.bus.committed("again", "usage") >= len(published), 60)
        assert billing.end() == 0
    after = {row[0]: row[1] for row in rows(ledger, "SELECT event, instance_seconds FROM usage")}
    assert seconds.items() <= after.items()
    assert all(after[identifier] == event["instanceSeconds"] for identifier, event in published.items())
    assert totals("billing.py", ledger)[organisation]["buildSeconds"] == pytest.approx(expected)


@on_kafka
def test_telemetry_tells_of_deployments_builds_and_logs(platform, app):
    metrics = platform.folder / "slipway.prom"
    with kafka_consumer(platform, "telemetry.py", "--textfile", str(metrics)) as telemetry:
        deployment = app.deploy({"kind": "redeploy"})["id"]
        line = re.compile(rf"deployment {deployment} of {app.id} succeeded after (\d+\.\d+) s")
        found = eventually("it tells of the deployment", lambda: line.search(telemetry.output), 60)
        assert 0 < float(found[1]) < 60
        for build in events(platform, "builds", "build.succeeded.v1"):
            assert f"build {build['build']} succeeded after {build['durationMilliseconds'] / 1000:.3f} s" \
                in telemetry.output
        logged = eventually("lines are counted", lambda: re.search(
            rf'^slipway_log_lines_total{{environment="{app.id}",source="app"}} (\d+)$', metrics.read_text(), re.M), 30)
        assert int(logged[1]) > 0
        assert telemetry.end() == 0


@pytest.mark.parametrize("program", ["billing.py", "feed.py"])
def test_totals_of_a_ledger_that_is_not_there_say_so_and_make_none(program, tmp_path):
    ledger = tmp_path / "none.sqlite"
    result = subprocess.run([sys.executable, "-B", str(CONSUMERS / program), "totals", "--ledger", str(ledger)],
                            capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1 and str(ledger) in result.stderr
    assert not ledger.exists()


def test_an_event_of_another_specversion_is_named_and_not_read(monkeypatch):
    monkeypatch.syspath_prepend(str(CONSUMERS))
    import cloud_events
    document = {"id": "e1", "type": "usage.recorded.v1", "time": "2026-01-31T10:00:00Z", "data": {}}
    assert cloud_events.from_json(json.dumps(document | {"specversion": "1.0"}), "event 7").place == "event 7"
    with pytest.raises(cloud_events.NotAnEvent, match="2.0"):
        cloud_events.from_json(json.dumps(document | {"specversion": "2.0"}), "event 7")
    with pytest.raises(cloud_events.NotAnEvent, match="specversion"):
        cloud_events.from_json(json.dumps(document), "event 7")


def test_feed_agrees_and_is_resumed_without_gap_or_repetition(platform, app):
    ledger = platform.folder / "feed.sqlite"
    organisation = platform.client.organisation
    feed = Consumer(platform, "feed.py", "run", "--url", platform.stack.panel_url, "--organisation", organisation,
                    "--ledger", str(ledger))
    with feed:
        expected = build_seconds(platform)

        def agrees() -> bool:
            total = totals("feed.py", ledger).get(organisation)
            assert total and total["buildSeconds"] == pytest.approx(expected), f"{total}, {expected}"
            assert total["instanceSeconds"] > 0, total
            return True

        eventually("the bill agrees with the builds", agrees, 60)
        for _ in range(5):
            count = len(rows(ledger, "SELECT event FROM usage"))
            feed.end(signal.SIGKILL)
            feed.start()
            eventually("it goes on", lambda: len(rows(ledger, "SELECT event FROM usage")) > count, 60)
        # The panel goes, too.
        platform.stack.stop(["panel"])
        platform.restart("panel")
        count = len(rows(ledger, "SELECT event FROM usage"))
        eventually("it connects again", lambda: len(rows(ledger, "SELECT event FROM usage")) > count, 60)
        feed.end(signal.SIGKILL)

    position = int(rows(ledger, "SELECT last_id FROM position")[0][0])
    entries = [entry for entry in pages(platform, organisation) if entry["sequence"] <= position]
    read = rows(ledger, "SELECT event FROM usage UNION ALL SELECT event FROM builds")
    assert sorted(row[0] for row in read) == sorted(entry["event"]["id"] for entry in entries)
    assert totals("feed.py", ledger)[organisation]["instanceSeconds"] == sum(
        entry["event"]["data"]["instanceSeconds"] for entry in entries if entry["event"]["type"] == FEED_TYPES[0])


def pages(platform, organisation: str) -> list[dict]:
    found, after = [], 0
    while True:
        status, page = platform.api(
            "GET", f"/v1/organisations/{organisation}/events?types={','.join(FEED_TYPES)}&after={after}",
            headers={"Accept": "application/json"})
        assert status == 200, page
        found += page["events"]
        after = page["next"]
        if not page["hasMore"]:
            return found


def test_feed_has_numbers_without_gaps_and_each_event_once(platform, app):
    status, page = platform.api("GET", f"/v1/organisations/{platform.client.organisation}/events?limit=1000",
                                headers={"Accept": "application/json"})
    assert status == 200 and page["events"], page
    numbers = [entry["sequence"] for entry in page["events"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    identifiers = [entry["event"]["id"] for entry in page["events"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(entry["event"]["specversion"] == "1.0" and entry["event"]["data"] for entry in page["events"])


def test_feed_of_another_organisation_is_not_to_be_had(platform, app):
    path = f"/v1/organisations/{platform.client.organisation}/events"
    assert platform.api("GET", path, token="slp_" + "0" * 40)[0] == 401
    feed = Consumer(platform, "feed.py", "run", "--url", platform.stack.panel_url, "--organisation", "nobodys",
                    "--ledger", str(platform.folder / "nobodys.sqlite"))
    with feed:
        assert feed.process.wait(END_MAX_SECONDS) == 1
    assert "404" in feed.output or "403" in feed.output


def test_stream_says_where_it_begins_before_anything_happens(platform, app):
    parts = urlsplit(platform.stack.panel_url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    token = platform.client.token_file().read_text()
    connection.request("GET", f"/v1/organisations/{platform.client.organisation}/events?after=latest",
                       headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    lines = [answer.readline(), answer.readline()]
    connection.close()
    assert lines[0].startswith(b":") and re.fullmatch(rb"id: \d+\n", lines[1]), lines
