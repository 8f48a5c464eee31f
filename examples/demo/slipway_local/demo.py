# SPDX-License-Identifier: Apache-2.0
"""What a newcomer sees: from nothing to an application that answers on its URL."""

import http.client
import json
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlencode

from .bus import KAFKA
from .cli import Client, CommandFailed
from .http_check import request
from .processes import Stack
from .state import CHECKOUT
from .steps import Failure, StepLog, say

APP = "guestbook"
ANSWER_MAX_SECONDS = 15


def run(stack: Stack, log: StepLog) -> None:
    client = Client(stack)
    try:
        with log.step("user, organisation and token") as step:
            step.note = client.ensure_login()
        with log.step(f"app {client.organisation}/{APP}") as step:
            app = client.app(APP)
            step.note = "present, ok" if app else "created, ok"
            app = app or client.ensure_app(APP)
        folder = stack.state.path(APP)
        with log.step(f"source in {shown(folder)}"):
            commit(client, folder, app["gitUrl"])
        push(client, folder, log)
        url = address(client)
        write_and_read(url, log)
    except CommandFailed as failure:
        raise Failure(str(failure), f"the services' logs are in {stack.state.path('logs')}") from failure
    summary(stack, folder, url, log)


def commit(client: Client, folder: Path, url: str) -> None:
    """The example's files as they are now; a clone that is already there keeps its history."""
    folder.mkdir(exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", ".git")
    if not (folder / ".git").exists():
        shutil.copytree(CHECKOUT / "examples" / APP, folder, dirs_exist_ok=True, ignore=ignored)
    client.prepare_repository(folder, url)
    client.commit(folder, "A guestbook")


def push(client: Client, folder: Path, log: StepLog) -> None:
    with log.step("git push slipway main", live=True) as step:
        code, output = client.push(folder, show=lambda line: say(f"    {line}"))
        if code != 0:
            raise Failure("the push was not deployed", "the reason is in the lines above")
        if "up-to-date" in output:
            step.note = "nothing new to deploy, ok"


def address(client: Client) -> str:
    return client.app(APP)["environments"][0]["url"]


def write_and_read(url: str, log: StepLog) -> None:
    text = f"Hello from make demo at {time.strftime('%H:%M:%S')}"
    with log.step(f"GET {url}"):
        expect(url, 200)
    with log.step("writing a row and reading it back"):
        body = urlencode({"name": "Slipway", "message": text})
        answer = attempt(f"{url}/entries", "POST", body, {"Content-Type": "application/x-www-form-urlencoded"})
        if answer.status not in (201, 303):
            raise Failure(f"POST {url}/entries answered {answer.status}: {answer.text[:200]}", "see `slipway logs`")
        entries = json.loads(expect(f"{url}/entries", 200).body)
        if not any(entry["message"] == text for entry in entries):
            raise Failure("the row that was written is not among those read back", "see `slipway logs`")


def expect(url: str, status: int):
    answer = attempt(url)
    if answer.status != status:
        raise Failure(
            f"{url} answered {answer.status}: {answer.text[:200]}", "see `slipway logs` and the ingress's log")
    return answer


def attempt(url: str, *arguments):
    """A stack that was just started may need a moment for its routes."""
    deadline = time.monotonic() + ANSWER_MAX_SECONDS
    while True:
        try:
            answer = request(url, *arguments)
            if answer.status not in (404, 502, 503) or time.monotonic() > deadline:
                return answer
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise Failure(f"{url} does not answer: {error}", "look into the ingress's log") from error
        time.sleep(0.1)


def shown(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)


def summary(stack: Stack, folder: Path, url: str, log: StepLog) -> None:
    width = max(len(title) for title, _ in log.times)
    say("\n" + "─" * (width + 14))
    for title, seconds in log.times:
        say(f"  {title:<{width}}  {seconds:7.1f} s")
    say(f"  {'in all':<{width}}  {sum(seconds for _, seconds in log.times):7.1f} s")
    say("─" * (width + 14))
    say(f"""
The guestbook answers at  {url}

Next:
  1. Change a line and push it; visitors notice nothing but the change:
       (cd {shown(folder)} && sed -i 's/^VERSION = .*/VERSION = "2"/' app.py &&
         git commit -am 'Version 2' && git push slipway main)
  2. Look at it as its developer:
       eval "$({stack_command()} env)" && slipway status --app demo/{APP}
  3. Go back to the first version, with no build:
       eval "$({stack_command()} env)" && slipway rollback --app demo/{APP}

Logs of the services: {shown(stack.state.path('logs'))}    Remove everything: make demo-down
""")
    if stack.bus.kind == KAFKA:
        say(f"Events are on Kafka at {stack.bus.address}, in topics named {stack.state.cloudspace}.*: "
            "examples/consumers reads them.\n")


def stack_command() -> str:
    return f"python3 {shown(CHECKOUT / 'examples/demo/stack.py')}"
