# SPDX-License-Identifier: Apache-2.0
"""The state folder: everything a stack owns lies in it, so that removing the stack is removing the folder."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

from .steps import Failure

CHECKOUT = Path(__file__).resolve().parents[3]
MARKER = "stack.json"
# Below the range from which the system hands out ports for outgoing connections, so that a port that is written down
# here is still free when a stopped stack is started again.
PORT_RANGE = range(20_000, 32_000)
FRIENDLY_PORTS = {"ingress": 8080, "panel": 8081}


class State:
    def __init__(self, root: str | os.PathLike | None = None):
        chosen = root or os.environ.get("SLIPWAY_STATE")
        self.is_default = not chosen
        self.root = Path(chosen).absolute() if chosen else CHECKOUT / ".slipway"
        self.data: dict = {}
        self.load()

    def load(self) -> None:
        try:
            self.data = json.loads((self.root / MARKER).read_text())
        except FileNotFoundError:
            self.data = {}
        except ValueError as error:
            raise Failure(
                f"{self.root / MARKER} is damaged: {error}", f"remove {self.root}, then run this again") from error

    @property
    def exists(self) -> bool:
        return bool(self.data)

    @property
    def digest(self) -> str:
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:8]

    @property
    def cloudspace(self) -> str:
        return self.data["cloudspace"]

    def create(self) -> None:
        """Lays the folder out; refuses a folder that holds something else."""
        if not self.exists:
            if self.root.is_dir() and any(entry.name != "lock" for entry in self.root.iterdir()):
                raise Failure(
                    f"{self.root} is not empty and not a Slipway state folder",
                    "name another folder in SLIPWAY_STATE, or move that one away")
            self.data = {"cloudspace": os.environ.get("SLIPWAY_CLOUDSPACE") or f"local-{self.digest}"}
        for name in ("logs", "run", "home", "panel/repositories", "builder", "runner", "ingress", "config"):
            self.path(name).mkdir(parents=True, exist_ok=True)
        self.path("secrets").mkdir(mode=0o700, exist_ok=True)
        self.save()

    def save(self) -> None:
        temporary = self.root / (MARKER + ".new")
        temporary.write_text(json.dumps(self.data, indent=2) + "\n")
        temporary.replace(self.root / MARKER)

    def path(self, name: str) -> Path:
        return self.root / name

    def secret_file(self, name: str) -> Path:
        return self.root / "secrets" / name

    def secret(self, name: str) -> str:
        return self.secret_file(name).read_text()

    def write_secret(self, name: str, value: str) -> None:
        path = self.secret_file(name)
        # Replaced whole: a process that is starting may be reading it.
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
        fresh.replace(path)

    def port(self, name: str) -> int:
        """The port of a listener: chosen once, then kept, because URLs with it are handed out."""
        ports = self.data.setdefault("ports", {})
        if name not in ports:
            ports[name] = choose_port(FRIENDLY_PORTS.get(name) if self.is_default else None, set(ports.values()))
            self.save()
        return ports[name]

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            raise Failure(
                f"{self.root} could not be removed completely", "look at what holds it (`lsof +D`), then remove it")

    @contextmanager
    def locked(self):
        """One `up` or `down` of a state folder at a time."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Failure(
                    f"another command is working on {self.root}", "wait until it has ended, then run this again"
                ) from error
            yield
        if not (self.root / MARKER).exists() and self.root.exists() and not set(os.listdir(self.root)) - {"lock"}:
            shutil.rmtree(self.root, ignore_errors=True)


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def choose_port(preferred: int | None, taken: set[int]) -> int:
    candidates = ([preferred] if preferred else []) + random.SystemRandom().sample(PORT_RANGE, 200)
    for port in candidates:
        if port not in taken and port_is_free(port) and port_is_free(port, "0.0.0.0"):
            return port
    raise Failure("no free TCP port was found between 20000 and 31999", "stop what occupies these ports")
