# SPDX-License-Identifier: Apache-2.0
"""A running platform and its apps, as a test sees them."""

import json
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import stack as launcher
from slipway_local import teardown
from slipway_local.cli import Client, CommandFailed  # noqa: F401
from slipway_local.engine_api import Engine
from slipway_local.http_check import Answer, request
from slipway_local.processes import NAMES, Stack  # noqa: F401
from slipway_local.state import State
from slipway_local.steps import StepLog

from . import CHECKOUT, bus, guard
from .engine_relay import EngineRelay
from .waiting import eventually

APPS = Path(__file__).resolve().parents[1] / "apps"
BUS = os.environ.get("SLIPWAY_E2E_BUS") or "postgres"
DEPLOY_MAX_SECONDS = 180
FINAL = ("succeeded", "failed", "cancelled")
GUARD_MAX_SECONDS = 180


class Platform:
    """With a relay the engine can be taken away from it, at the price of a detour."""

    def __init__(self, is_relayed: bool = False) -> None:
        os.environ.setdefault("SLIPWAY_BIN", str(CHECKOUT / ".build" / "debug"))
        # For the stacks that tests start by themselves as well.
        os.environ["SLIPWAY_DEMO_BUS"] = BUS
        os.environ.pop("SLIPWAY_DEMO_KAFKA", None)
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-e2e-"))
        self.folder.chmod(0o755)
        self.guard = guard.start(self.folder)
        self.state = State(self.folder / "state")
        self.stack: Stack | None = None
        self.is_relayed = is_relayed
        self.relay: EngineRelay | None = None
        self.apps = 0

    def up(self) -> None:
        with self.state.locked():
            self.stack = launcher.prepare(self.state, StepLog())
            if self.is_relayed:
                self.relay = EngineRelay(self.state.path("engine.sock"), self.stack.engine_socket)
                self.relay.restore()
                self.stack.engine_path = str(self.relay.path)
            launcher.run(self.stack, StepLog())
        self.bus = bus.attach(self)
        self.client = Client(self.stack)
        self.client.ensure_login()

    def down(self) -> None:
        try:
            if self.stack:
                self.stack.stop()
            if self.relay:
                self.relay.cut()
            if self.state.exists:
                teardown.down(self.state, StepLog())
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            # Clears away what the lines above did not come to.
            self.guard.stdin.close()
            self.guard.wait(GUARD_MAX_SECONDS)

    def logs(self) -> dict[str, Path]:
        """By the names of their processes."""
        files = {f"slipway-{name}": self.stack.log_file(name) for name in self.stack.names} if self.stack else {}
        return {name: file for name, file in files.items() if file.exists()}

    @property
    def engine(self) -> Engine:
        return Engine(self.stack.engine_socket)

    @property
    def label(self) -> str:
        return f"slipway.cloudspace={self.state.cloudspace}"

    def api(self, method: str, path: str, body=None, headers: dict | None = None, token: str | None = None,
            timeout: float = 30) -> tuple[int, object]:
        """Status and decoded body of a call to the panel's API."""
        answer = self.raw(method, path, body, headers, token, timeout)
        try:
            return answer.status, json.loads(answer.body) if answer.body else None
        except ValueError:
            return answer.status, answer.text

    def raw(self, method: str, path: str, body=None, headers: dict | None = None, token: str | None = None,
            timeout: float = 30) -> Answer:
        headers = {"Authorization": f"Bearer {token or self.client.token_file().read_text()}"} | (headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        return request(f"{self.stack.panel_url}{path}", method, body, headers, timeout)

    def visit(self, url: str, **arguments) -> Answer:
        """As a visitor of an app."""
        return request(url, **arguments)

    def containers(self, label: str) -> list[dict]:
        return self.engine.containers(label)

    def new_app(self, name: str | None = None, template: str = "tiny") -> "App":
        self.apps += 1
        return App(self, name or f"{template}-{self.apps}", template)

    def restart(self, name: str) -> None:
        self.stack.start(name)
        self.stack.await_ready(name)

    def ensure_all_run(self) -> None:
        self.stack.ensure()

    def backlog(self) -> dict[str, int]:
        """Events that wait in each service's outbox."""
        return {
            database: int(self.stack.platform.psql("SELECT count(*) FROM outbox", database))
            for database in ("panel", "controller", "builder", "services")
        }

    def await_no_backlog(self) -> None:
        eventually("every outbox is empty", lambda: not any(self.backlog().values()), 30)

    def port_answers(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0


class App:
    def __init__(self, platform: Platform, name: str, template: str):
        self.platform = platform
        self.client = platform.client
        self.name = name
        self.reference = f"{self.client.organisation}/{name}"
        self.folder = platform.folder / "apps" / name
        source = CHECKOUT / "examples" / template if template == "guestbook" else APPS / template
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        status, document = platform.api("POST", f"/v1/organisations/{self.client.organisation}/apps", {"name": name})
        assert status == 201, document
        self.environment_path = f"/v1/apps/{self.reference}/environments/main"
        self.client.prepare_repository(self.folder, document["gitUrl"])
        self.url = self.environment()["url"]
        self.id = self.environment()["id"]

    # Source

    def write(self, path: str, text: str | bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert old in text, f"{path} does not hold {old!r}"
        self.write(path, text.replace(old, new))

    def set_constant(self, name: str, value) -> None:
        lines = (self.folder / "app.py").read_text().splitlines(keepends=True)
        assert any(line.startswith(f"{name} = ") for line in lines)
        text = json.dumps(value) if isinstance(value, str) else repr(value)
        self.write("app.py", "".join(f"{name} = {text}\n" if line.startswith(f"{name} = ") else line for line in lines))

    def set_version(self, version: str) -> None:
        self.set_constant("VERSION", version)

    def commit(self, message: str = "Change") -> str:
        return self.client.commit(self.folder, message)

    def push(self, message: str = "Change") -> tuple[int, str]:
        self.commit(message)
        return self.client.push(self.folder)

    def push_ok(self, message: str = "Change") -> str:
        code, output = self.push(message)
        assert code == 0, output
        self.await_deployment()
        assert self.latest()["state"] == "succeeded", output
        return output

    def push_in_background(self, message: str = "Change") -> "Push":
        self.commit(message)
        push = Push(self)
        push.start()
        return push

    # What the panel says

    def environment(self) -> dict:
        status, document = self.platform.api("GET", self.environment_path)
        assert status == 200, document
        return document

    def deployments(self) -> list[dict]:
        status, document = self.platform.api("GET", f"{self.environment_path}/deployments")
        assert status == 200, document
        return document

    def latest(self) -> dict | None:
        return self.environment()["latestDeployment"]

    def delete(self) -> None:
        """Its containers go in the background."""
        status, document = self.platform.api("DELETE", f"/v1/apps/{self.reference}")
        assert status in (202, 204), document

    def deploy(self, body: dict) -> dict:
        """Asks for a deployment and waits for its end."""
        status, document = self.platform.api("POST", f"{self.environment_path}/deployments", body)
        assert status == 202, document
        return self.await_deployment(document["id"])

    def cancel(self, identifier: str) -> None:
        status, document = self.platform.api("POST", f"{self.environment_path}/deployments/{identifier}/cancel")
        assert status in (200, 202), document

    def deployment(self, identifier: str) -> dict:
        status, document = self.platform.api("GET", f"{self.environment_path}/deployments/{identifier}")
        assert status == 200, document
        return document

    def await_deployment(self, identifier: str | None = None, seconds: float = DEPLOY_MAX_SECONDS) -> dict:
        def ended() -> dict | None:
            document = self.deployment(identifier) if identifier else self.latest()
            return document if document and document["state"] in FINAL else None

        return eventually(f"the deployment of {self.name} has ended", ended, seconds)

    def log(self, identifier: str) -> str:
        status, document = self.platform.api(
            "GET", f"{self.environment_path}/deployments/{identifier}/log", headers={"Accept": "application/json"})
        assert status == 200, document
        return json.dumps(document)

    def status_json(self) -> str:
        return self.client.slipway("status", "--app", self.reference, "--json")

    # What visitors and the engine see

    def get(self, path: str = "/", **arguments) -> Answer:
        return self.platform.visit(self.url + path, **arguments)

    def version(self) -> str:
        answer = self.get("/version")
        assert answer.status == 200, f"{answer.status}: {answer.text[:300]}"
        return answer.text

    def await_version(self, version: str, seconds: float = 30) -> None:
        def answers() -> bool:
            found = self.version()
            assert found == version, found
            return True

        eventually(f"{self.name} answers with version {version}", answers, seconds)

    def containers(self) -> list[dict]:
        return self.platform.containers(f"slipway.environment={self.id}")

    def await_containers(self, count: int, seconds: float = 60) -> list[dict]:
        def as_expected() -> list[dict] | None:
            found = self.containers()
            shown = [(item["Names"], item["State"], item["Labels"].get("slipway.role")) for item in found]
            assert len(found) == count, shown
            return found or [{}]

        return eventually(f"{self.name} has exactly {count} containers", as_expected, seconds)


class Push(threading.Thread):
    """A `git push` under way. It fails when the panel is killed meanwhile, whatever becomes of the deployment."""

    def __init__(self, app: App):
        super().__init__(daemon=True)
        self.app = app
        self.lines: list[str] = []

    def run(self) -> None:
        self.app.client.push(self.app.folder, show=self.lines.append)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)
