# SPDX-License-Identifier: Apache-2.0
"""The six executables as processes of their own: started, awaited, stopped; configured by environment variables alone.

Nothing watches them afterwards. `up` starts what has died and restarts what was built anew.
"""

import http.client
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import recorded
from .bus import Bus
from .postgres import Cluster
from .recorded import Recorded
from .state import CHECKOUT, State
from .steps import Failure

NAMES = ["panel", "controller", "builder", "services", "runner", "ingress"]
# Settings that are as they are in the environment of whoever starts the stack.
PASSED_ON = ["LOG_LEVEL", "CONTROLLER_USAGE_INTERVAL"]
READY_MAX_SECONDS = 60
# A little more than a process takes at most to shut down gracefully and then forcibly.
STOP_MAX_SECONDS = 40


def folder() -> Path:
    return Path(os.environ.get("SLIPWAY_BIN") or CHECKOUT / ".build" / "debug").absolute()


def started_folder(state: State) -> Path:
    """Where the executables of a stack lie that somebody started, in another shell perhaps."""
    recorded_folder = state.data.get("executables")
    return Path(recorded_folder) if recorded_folder and "SLIPWAY_BIN" not in os.environ else folder()


def executable(name: str) -> Path:
    path = folder() / name
    if not path.exists():
        raise Failure(
            f"{path} does not exist", "run `make build`, or name the folder of the executables in SLIPWAY_BIN")
    return path


class Stack:
    """The processes of one state folder with their settings.

    `address` is where its bus is reached: from this machine alone unless told otherwise.
    """

    def __init__(self, state: State, engine_socket: str, gateway: str, address: str = "127.0.0.1"):
        self.state = state
        # Which of them are this stack's own: runners and ingress nodes may run elsewhere.
        self.names = NAMES
        self.platform = Cluster(state, "platform", address)
        self.tenants = Cluster(state, "tenants", gateway)
        self.engine_socket = engine_socket
        # Where builder and runner find the engine: whoever puts something in between names it here.
        self.engine_path = engine_socket
        self.gateway = gateway
        self.bus = Bus(state, self.platform)
        self.processes = {name: Recorded(f"slipway-{name}", state.path(f"run/{name}.started")) for name in NAMES}

    @property
    def panel_url(self) -> str:
        return f"http://127.0.0.1:{self.state.port('panel')}"

    @property
    def ingress_port(self) -> int:
        return self.state.port("ingress")

    def settings(self, name: str) -> dict[str, str]:
        """Secrets are named by file, so that no process list and no child's environment shows them."""
        state = self.state
        state.write_secret("url.bus", self.bus.url())
        bus = str(state.secret_file("url.bus"))
        common = {
            "CLOUDSPACE": state.cloudspace, "BUS_URL_FILE": bus, "RUN_FILE": str(self.run_file(name)),
            "ADMIN_LISTEN": "127.0.0.1:0",
        }
        common |= {key: os.environ[f"SLIPWAY_{key}"] for key in PASSED_ON if f"SLIPWAY_{key}" in os.environ}
        controller_key = state.secret("controller.public")
        builder_key = state.secret("builder.public")
        own = {
            "panel": lambda: {
                "DATABASE_URL_FILE": self.secret_url("panel"), "PANEL_LISTEN": f"127.0.0.1:{state.port('panel')}",
                "PANEL_URL": self.panel_url, "PANEL_REPOSITORIES": str(state.path("panel/repositories")),
                "PANEL_DOMAIN": "localhost", "PANEL_APP_URL": f"http://{{hostname}}:{self.ingress_port}",
                "CONTROLLER_PUBLIC_KEY": controller_key,
                "PANEL_TOKEN_KEY_FILE": str(state.secret_file("panel.token.key")),
            },
            "controller": lambda: {
                "DATABASE_URL_FILE": self.secret_url("controller"), "BUILDER_PUBLIC_KEY": builder_key,
                "CONTROLLER_PRIVATE_KEY_FILE": str(state.secret_file("controller.private")),
            },
            "builder": lambda: {
                "DATABASE_URL_FILE": self.secret_url("builder"), "ENGINE_SOCKET": self.engine_path,
                "BUILDER_PRIVATE_KEY_FILE": str(state.secret_file("builder.private")),
                "BUILDER_WORK": str(state.path("builder")),
            },
            "services": lambda: {
                "DATABASE_URL_FILE": self.secret_url("services"), "CONTROLLER_PUBLIC_KEY": controller_key,
                "SERVICES_POSTGRES_URL_FILE": self.secret_url("postgres", self.tenants),
                "SERVICES_POSTGRES_ADDRESS": f"{self.gateway}:{self.tenants.port}",
            },
            "runner": lambda: {
                "ENGINE_SOCKET": self.engine_path, "RUNNER_STATE": str(state.path("runner")),
                "RUNNER_ADDRESS": "127.0.0.1", "RUNNER_NAME": f"{state.cloudspace}-1",
            },
            "ingress": lambda: {
                "INGRESS_LISTEN": f"127.0.0.1:{self.ingress_port}", "INGRESS_STATE": str(state.path("ingress")),
            },
        }
        return {f"SLIPWAY_{key}": value for key, value in (common | own[name]()).items()} | self.bus.settings(name)

    def secret_url(self, role: str, cluster: Cluster | None = None) -> str:
        cluster = cluster or self.platform
        name = f"url.{cluster.name}.{role}"
        self.state.write_secret(name, cluster.url(role))
        return str(self.state.secret_file(name))

    def environment(self, name: str, changes: dict[str, str] | None = None) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "TZ") if key in os.environ}
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.state.path("home")), "LANG": "C.UTF-8"}
        return base | kept | self.settings(name) | (changes or {})

    def run_file(self, name: str) -> Path:
        return self.state.path(f"run/{name}.json")

    def log_file(self, name: str) -> Path:
        return self.state.path(f"logs/{name}.log")

    def record(self, name: str) -> dict | None:
        return self.processes[name].record()

    def is_current(self, name: str) -> bool:
        """Running, from the executable as it is now, with the settings as they are now."""
        record = self.record(name)
        return record is not None and record["made"] == self.made(name)

    def made(self, name: str) -> list:
        status = executable(f"slipway-{name}").stat()
        return [str(executable(f"slipway-{name}")), status.st_mtime_ns, status.st_size, self.settings(name)]

    def start(self, name: str, changes: dict[str, str] | None = None) -> subprocess.Popen:
        self.run_file(name).unlink(missing_ok=True)
        return self.processes[name].launch(
            [str(executable(f"slipway-{name}"))], self.log_file(name), self.made(name),
            env=self.environment(name, changes), cwd=self.state.root)

    def ports(self, name: str) -> dict | None:
        """Where the running process listens, once it says so."""
        record = self.record(name)
        try:
            ports = json.loads(self.run_file(name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return ports if record and ports.get("pid") == record["pid"] else None

    def probe(self, name: str, path: str) -> tuple[int, str]:
        """Asks the admin port; status 0 when nothing answers."""
        ports = self.ports(name)
        if ports is None:
            return 0, "the process has not said where it listens"
        connection = http.client.HTTPConnection("127.0.0.1", ports["admin"], timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def is_ready(self, name: str) -> bool:
        return self.probe(name, "/readyz")[0] == 200

    def await_ready(self, name: str, seconds: float = READY_MAX_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while True:
            status, text = self.probe(name, "/readyz")
            if status == 200:
                return
            if self.record(name) is None:
                raise self.explain(name, "ended right after its start")
            if time.monotonic() > deadline:
                raise self.explain(name, f"is not ready after {seconds:.0f} s: {text.strip()}")
            time.sleep(0.05)

    def explain(self, name: str, problem: str) -> Failure:
        tail = "\n    ".join(self.log_file(name).read_text(errors="replace").strip().splitlines()[-8:]) or "(empty)"
        return Failure(f"slipway-{name} {problem}. Its log ends with:\n    {tail}",
                       f"the cause is in {self.log_file(name)}; put it right, then run `make demo` again")

    def ensure(self) -> str:
        """Starts what does not run, restarts what was built anew or configured otherwise; says what was done."""
        self.record_folder()
        started = []
        for name in self.names:
            if not self.is_current(name):
                self.stop([name])
                self.start(name)
                started.append(name)
        for name in self.names:
            self.await_ready(name)
        return f"started {', '.join(started)}, all ready" if started else "all ready"

    def record_folder(self) -> None:
        """So that commands which come later know what this stack was started with."""
        self.state.data["executables"] = str(folder())
        self.state.save()

    def kill(self, name: str) -> None:
        """SIGKILL, and gone when this returns."""
        recorded.kill([self.processes[name]])

    def stop(self, names: list[str] | None = None) -> dict[str, int | None]:
        """Asks all to shut down at once, kills those that do not; exit codes of those that this process started."""
        names = names or self.names
        recorded.stop([self.processes[name] for name in names], STOP_MAX_SECONDS)
        return {name: self.processes[name].exit_code() for name in names}


@dataclass
class Use:
    """What a process takes of the machine."""

    resident: int
    proportional: int
    cpu_seconds: float


def use(pid: int) -> Use:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    rollup = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:] if ":" in line)
    kilobytes = {key: int(value.split()[0]) for key, value in rollup.items()}
    return Use(kilobytes["Rss"] * 1024, kilobytes["Pss"] * 1024, (int(fields[11]) + int(fields[12])) / ticks)
