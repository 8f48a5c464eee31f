# SPDX-License-Identifier: Apache-2.0
"""One trace from the request for a deployment to the last record that any service publishes for it."""

import json
import secrets

import pytest
from support.waiting import eventually

TOPICS = ("deployments", "builds", "services", "instances.desired", "instances.observed", "routes.desired",
          "telemetry.logs")
# Each deployment causes these, whoever asked for it.
ALWAYS = {"deployment.requested.v1", "deployment.progressed.v1", "deployment.succeeded.v1", "build.requested.v1",
          "build.succeeded.v1", "instance.desired.v1", "instance.observed.v1", "route.desired.v1",
          "telemetry.log-lines.v1"}


@pytest.fixture(scope="module")
def app(platform):
    """It has a database and a release hook."""
    app = platform.new_app("traced", "guestbook")
    yield app
    app.delete()


def new_trace() -> tuple[str, str]:
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{secrets.token_hex(8)}-01"


def data_of(record: dict) -> dict:
    """Empty for a tombstone, and for what other tests have put there that is no event."""
    try:
        data = json.loads(record["value"] or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def records_of(platform, app, deployment: str) -> list[dict]:
    """Every record that belongs to the deployment, with its topic and its decoded value, tombstones too."""
    found = [record | {"topic": topic, "data": data_of(record)}
             for topic in TOPICS for record in platform.bus.records(topic)]
    builds = {record["data"].get("build") for record in found
              if record["topic"] == "builds" and record["data"].get("deployment") == deployment}
    instances = {record["data"].get("instance") for record in found
                 if record["topic"].startswith("instances.") and record["data"].get("deployment") == deployment}

    def belongs(record: dict) -> bool:
        data = record["data"]
        match record["topic"]:
            case "builds":
                return data.get("build") in builds
            case "services":
                return data.get("environment") == app.id
            case "instances.desired" | "instances.observed":
                return record["key"].split("/")[-1] in instances
            case "routes.desired":
                return any(upstream["instance"] in instances for upstream in data.get("upstreams", []))
            # What instances write is theirs, long after the deployment.
            case "telemetry.logs":
                return data.get("deployment") == deployment and data["source"] == "build"
            case _:
                return data.get("deployment") == deployment

    return [record for record in found if belongs(record)]


def assert_one_trace(records: list[dict], traceparent: str, types: set[str]) -> None:
    trace, parent = traceparent.split("-")[1:3]
    shown = [(record["topic"], record["key"], record["headers"]) for record in records]
    assert types <= {record["headers"]["ce_type"] for record in records}, shown
    contexts = [record["headers"].get("traceparent", "").split("-") for record in records]
    assert all(len(context) == 4 and context[1] == trace for context in contexts), shown
    spans = [context[2] for context in contexts]
    assert parent not in spans and len(set(spans)) == len(spans), shown


def test_all_of_a_deployment_belongs_to_the_trace_of_its_request(platform, app):
    # A push, with the header that any Git client can be told to send.
    _, pushed = new_trace()
    app.client.git(app.folder, "config", "http.extraHeader", f"traceparent: {pushed}")
    app.push_ok("First version")
    app.client.git(app.folder, "config", "--unset-all", "http.extraHeader")
    first = app.latest()["id"]
    platform.await_no_backlog()
    with_service = ALWAYS | {"service.requested.v1", "service.provisioned.v1"}
    assert_one_trace(records_of(platform, app, first), pushed, with_service)

    # By the API, of a commit that is built anew: its image depends on variables that builds see.
    status, document = platform.api(
        "PUT", f"{app.environment_path}/variables/TRACED", {"value": "yes", "visibleInBuild": True})
    assert status in (200, 201), document
    trace, asked = new_trace()
    status, document = platform.api(
        "POST", f"{app.environment_path}/deployments", {"kind": "redeploy"}, headers={"traceparent": asked})
    assert status == 202, document
    ended = app.await_deployment(document["id"])
    assert ended["state"] == "succeeded", ended

    def replaced() -> bool:
        # The bus may still hold what was said of an instance before.
        latest = {record["key"]: data_of(record) for record in platform.bus.records("instances.observed")}
        return not any(state.get("deployment") == first and "ready" in state["phase"] for state in latest.values())

    eventually("the first version's instances are gone", replaced, 90)
    platform.await_no_backlog()
    found = [record for record in records_of(platform, app, document["id"]) if record["topic"] != "services"]
    assert_one_trace(found, asked, ALWAYS)
    # The first deployment's records stay in its trace to the end of its instances.
    before = [record for record in records_of(platform, app, first) if record["topic"] != "services"]
    assert before and all(pushed.split("-")[1] in record["headers"]["traceparent"] for record in before)
    assert trace not in json.dumps([record["headers"] for record in before])
