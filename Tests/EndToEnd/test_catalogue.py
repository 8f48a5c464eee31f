# SPDX-License-Identifier: Apache-2.0
"""The published catalogue under public validators, and the same document from the panel."""

import copy
import json
import subprocess
import sys

import pytest
from support.platform import CHECKOUT, StepLog, request
from slipway_local import python_packages

sys.path.insert(0, str(CHECKOUT / ".ci"))
import check_asyncapi  # noqa: E402

DOCUMENT = CHECKOUT / "docs" / "asyncapi.json"


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asyncapi")
    python = python_packages.ensure(
        "asyncapi", check_asyncapi.REQUIREMENTS, "validators of the AsyncAPI document",
        "without them the document cannot be validated", StepLog()) / "bin" / "python"

    def run(document: dict) -> subprocess.CompletedProcess:
        path = folder / "document.json"
        path.write_text(json.dumps(document))
        return subprocess.run([python, check_asyncapi.__file__, path], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def document():
    return json.loads(DOCUMENT.read_text())


def test_the_document_is_valid(check, document):
    result = check(document)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "valid AsyncAPI 3.0.0" in result.stdout


def without_info(document):
    del document["info"]


def unknown_member(document):
    document["channels"]["usage"]["adress"] = "x"


def unknown_action(document):
    next(iter(document["operations"].values()))["action"] = "publish"


def bad_binding(document):
    document["channels"]["usage"]["bindings"]["kafka"]["partitions"] = 0


def bad_schema(document):
    document["components"]["messages"]["usage_recorded_v1"]["payload"]["type"] = "record"


def dangling_reference(document):
    document["channels"]["usage"]["messages"]["usage_recorded_v1"]["$ref"] = "#/components/messages/usage_recorded_v2"


def example_without_a_property(document):
    del document["components"]["messages"]["usage_recorded_v1"]["examples"][0]["payload"]["organisation"]


def example_with_a_bad_time(document):
    document["components"]["messages"]["usage_recorded_v1"]["examples"][0]["payload"]["from"] = "yesterday"


@pytest.mark.parametrize(("damage", "named"), [
    (without_info, "info"), (unknown_member, "/channels/usage"), (unknown_action, "/operations/"),
    (bad_binding, "/channels/usage"), (bad_schema, "/components/messages/usage_recorded_v1"),
    (dangling_reference, "usage_recorded_v2 leads nowhere"), (example_without_a_property, "organisation"),
    (example_with_a_bad_time, "'yesterday' is not a 'date-time'"),
])
def test_a_damaged_document_is_found_out(check, document, damage, named):
    damaged = copy.deepcopy(document)
    damage(damaged)
    result = check(damaged)
    assert result.returncode == 1, result.stdout + result.stderr
    assert named in result.stdout


def test_the_panel_serves_the_document(platform, document):
    answer = request(f"{platform.stack.panel_url}/asyncapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == document
