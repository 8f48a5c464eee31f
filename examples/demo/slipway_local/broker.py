# SPDX-License-Identifier: Apache-2.0
"""A broker that speaks the Kafka protocol, as one process of a stack: for development and tests, not for production.

It is `noida-db` from PyPI, which keeps its data in memory and saves them to its folder twice a second and at its end.
"""

import signal
import socket
import struct
import time
from pathlib import Path

from . import python_packages, recorded
from .state import State, port_is_free
from .steps import Failure, StepLog

PACKAGE = "noida-db==0.2.3"
START_MAX_SECONDS = 30
STOP_MAX_SECONDS = 15
ANSWER_MAX_SECONDS = 2
# Kafka protocol: request 18 asks which versions of each request a broker knows.
API_VERSIONS = 18
CORRELATION = 7001


def ensure_installed(log: StepLog) -> Path:
    """The broker's own program. The package's command is a script around it, whose pid would not be the broker's."""
    folder = python_packages.ensure(
        "broker", [PACKAGE], "a small Kafka-protocol broker",
        "a cluster of your own is named with SLIPWAY_DEMO_KAFKA=host:port", log)
    program = python_packages.site_packages(folder) / "noida_db" / "noida-db"
    if not program.exists():
        raise Failure(f"{PACKAGE} holds no broker for this machine",
                      "name a cluster of your own with SLIPWAY_DEMO_KAFKA=host:port")
    program.chmod(0o755)
    return program


class Broker:
    def __init__(self, state: State, host: str = "127.0.0.1"):
        self.state = state
        self.host = host
        self.folder = state.path("broker")
        self.log = self.folder / "broker.log"
        self.data = self.folder / "data"
        self.process = recorded.Recorded("the Kafka broker", self.folder / "started")

    @property
    def port(self) -> int:
        return self.state.port("broker")

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def ensure(self, log: StepLog) -> str:
        """Installs and starts it; says in one word what had to be done."""
        if self.is_running():
            return "ok"
        program = ensure_installed(log)
        is_new = not self.data.exists()
        self.data.mkdir(parents=True, exist_ok=True)
        if not port_is_free(self.port, self.host):
            raise Failure(
                f"port {self.port} at {self.host}, which belongs to the Kafka broker of {self.state.root}, is taken",
                f"stop what listens there (`ss -ltnp 'sport = :{self.port}'`), or begin anew with `make demo-down`")
        self.process.launch(
            [str(program), "start", "--only", "kafka", "--host", self.host, "--kafka-port", str(self.port),
             "--data-dir", str(self.data)],
            self.log, cwd=self.folder)
        deadline = time.monotonic() + START_MAX_SECONDS
        while not answers(self.host, self.port):
            has_ended = self.process.record() is None
            if has_ended or time.monotonic() > deadline:
                self.stop()
                tail = "\n    ".join(self.log.read_text(errors="replace").strip().splitlines()[-6:])
                problem = "ended right after its start" if has_ended else f"does not answer at {self.address}"
                raise Failure(f"the Kafka broker {problem}. Its log ends with:\n    {tail or '(empty)'}",
                              "read the lines above, or name a cluster of your own with SLIPWAY_DEMO_KAFKA=host:port")
            time.sleep(0.05)
        return "created" if is_new else "started"

    def is_running(self) -> bool:
        return self.process.record() is not None

    def stop(self) -> None:
        """What it has accepted is on disk afterwards."""
        # One that was frozen could not shut down.
        self.process.signal(signal.SIGCONT)
        recorded.stop([self.process], STOP_MAX_SECONDS)


def answers(host: str, port: int) -> bool:
    """Whether something that speaks the Kafka protocol listens there."""
    request = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION, -1)
    try:
        with socket.create_connection((host, port), timeout=ANSWER_MAX_SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.makefile("rb").read(8)
    except OSError:
        return False
    return len(head) == 8 and struct.unpack(">ii", head)[1] == CORRELATION
