# SPDX-License-Identifier: Apache-2.0
"""The servers and the processes of one soak, all of its own and in one folder."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from slipway_local import postgres
from slipway_local.broker import Broker
from slipway_local.postgres import ADMIN, Cluster, binaries
from slipway_local.process_identity import stat_fields
from slipway_local.processes import executable
from slipway_local.state import State
from slipway_local.steps import Failure, StepLog

import sessions
from sessions import Sessions

WRITER, HANDLER = "writer", "handler"
CLOUDSPACE = "soak"
# Handlers.group and Handlers.lettersGroup, as they are called on the bus.
GROUPS = [f"{CLOUDSPACE}.soak", f"{CLOUDSPACE}.soak-letters"]
WRITERS, HANDLERS = 2, 3
# A graceful shutdown turns into cancellation after 30 s and into an exit after 5 more.
LEAVE_MAX_SECONDS = 45


class World:
    """Two services' databases on one Postgres server, and the bus on a server of its own."""

    def __init__(self, folder: Path, kind: str):
        self.kind = kind
        self.state = State(folder)
        self.state.create()
        self.services = Cluster(self.state, "services")
        self.bus = Cluster(self.state, "bus") if kind == "postgres" else None
        self.broker = Broker(self.state) if kind == "kafka" else None
        self.sessions = Sessions(self.broker.port, GROUPS) if self.broker else None

    def ends(self) -> list[int] | None:
        """How far the broker's log reaches; `None` while it does not tell."""
        try:
            return sessions.ends(self.broker.port)
        except OSError:
            return None

    @property
    def clusters(self) -> list[Cluster]:
        return [cluster for cluster in (self.services, self.bus) if cluster]

    def start(self) -> None:
        databases = {self.services.name: [WRITER, HANDLER], "bus": ["bus"]}
        for cluster in self.clusters:
            # Processes are killed here and the machine is not: what a server has written to the kernel stays.
            cluster.ensure(durable=False)
            cluster.ensure_databases(databases[cluster.name])
        if self.broker:
            self.broker.ensure(StepLog())
        bus_url = self.bus.url("bus") if self.bus else f"kafka://{self.broker.address}"
        urls = {role: self.services.url(role) for role in (WRITER, HANDLER)} | {"bus": bus_url}
        for name, url in urls.items():
            self.state.write_secret(f"url.{name}", url)

    def stop(self) -> None:
        if self.broker:
            self.broker.stop()
        for cluster in self.clusters:
            cluster.stop()

    def remove(self) -> None:
        shutil.rmtree(postgres.home(self.state), ignore_errors=True)
        shutil.rmtree(self.state.root, ignore_errors=True)

    def number(self, database: str, query: str) -> int | None:
        """`None` while the server is not there."""
        try:
            return int(self.services.psql(query, database))
        except (Failure, ValueError):
            return None

    def rows(self, database: str, query: str) -> Iterator[list[str]]:
        """A query's rows as they come; no value holds a tab or a line end."""
        process = subprocess.Popen(
            [str(binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"COPY ({query}) TO STDOUT"],
            env=self.services.client_environment(ADMIN, database), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True)
        with process:
            for line in process.stdout:
                yield line.rstrip("\n").split("\t")
        if process.returncode != 0:
            raise Failure(f"the database {database} could not be read", f"the server's log is {self.services.log}")


class Worker:
    """One process of `bus-soak`."""

    def __init__(self, world: World, role: str, number: int, rate: int):
        self.world = world
        self.role = role
        self.name = f"{role}-{number}"
        self.log = world.state.path(f"logs/{self.name}.log")
        self.leaves_by: float | None = None
        self.holds = 0
        secrets = {key: str(world.state.secret_file(f"url.{name}")) for key, name in
                   (("DATABASE_URL_FILE", role), ("BUS_URL_FILE", "bus"))}
        settings = secrets | {
            "CLOUDSPACE": CLOUDSPACE, "SOAK_NAME": self.name, "SOAK_ROLE": role, "SOAK_RATE": str(rate),
            "ADMIN_LISTEN": "127.0.0.1:0", "LOG_LEVEL": os.environ.get("SLIPWAY_LOG_LEVEL", "warning"),
        }
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(world.state.path("home")), "LANG": "C.UTF-8"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(executable("bus-soak"))], env=environment | {f"SLIPWAY_{key}": settings[key] for key in settings},
                cwd=world.state.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def pause(self) -> None:
        """Pauses may overlap: the process goes on when all are over."""
        self.holds += 1
        self.process.send_signal(signal.SIGSTOP)
        self.tell_sessions(is_silent=True)

    def resume(self) -> None:
        self.holds -= 1
        if self.holds == 0:
            self.process.send_signal(signal.SIGCONT)
            self.tell_sessions(is_silent=False)
            # One that was asked to leave meanwhile learns of it now.
            self.leaves_by = self.leaves_by and time.monotonic() + LEAVE_MAX_SECONDS

    def leave(self) -> None:
        self.leaves_by = time.monotonic() + LEAVE_MAX_SECONDS
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.tell_sessions(is_silent=True)

    def tell_sessions(self, is_silent: bool) -> None:
        sessions = self.world.sessions
        if sessions and self.role == HANDLER:
            (sessions.fell_silent if is_silent else sessions.speaks_again)(self.name)

    def last_lines(self) -> str:
        return "\n    ".join(self.log.read_text(errors="replace").strip().splitlines()[-5:]) or "(it logged nothing)"


class Fleet:
    """The writers and handlers. What ends without having been asked to is a problem of its own."""

    def __init__(self, world: World, rate: int):
        self.world = world
        self.rate = rate
        self.workers: list[Worker] = []
        self.numbers = 0
        self.problems: list[str] = []

    def start(self, role: str) -> Worker:
        self.numbers += 1
        rate = max(1, self.rate // WRITERS) if role == WRITER and self.rate else 0
        worker = Worker(self.world, role, self.numbers, rate)
        self.workers.append(worker)
        return worker

    def living(self, role: str) -> list[Worker]:
        return [worker for worker in self.workers if worker.role == role and worker.leaves_by is None]

    def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.kill()

    def watch(self) -> None:
        """To be called all the time."""
        if self.world.sessions:
            self.world.sessions.expire()
        for worker in list(self.workers):
            code = worker.process.poll()
            if code is None:
                if worker.leaves_by and worker.holds == 0 and time.monotonic() > worker.leaves_by:
                    self.problems.append(f"{worker.name} did not leave: it was killed after {LEAVE_MAX_SECONDS} s")
                    self.kill(worker)
                continue
            self.workers.remove(worker)
            worker.tell_sessions(is_silent=True)
            # One that was asked to leave before it could listen for it ends by the signal.
            if worker.leaves_by is None or code not in (0, -signal.SIGTERM):
                self.problems.append(f"{worker.name} ended with {code}:\n    {worker.last_lines()}")
                if worker.leaves_by is None:
                    self.start(worker.role)

    def leave(self, workers: list[Worker]) -> None:
        """Asks them to leave and waits until they have."""
        for worker in workers:
            worker.leave()
        while any(worker in self.workers for worker in workers):
            self.watch()
            time.sleep(0.05)

    def end(self) -> None:
        for worker in list(self.workers):
            self.kill(worker)

    def memory(self) -> int:
        """Of the largest of the processes, in bytes."""
        return max((resident(worker.process.pid) for worker in self.workers), default=0)


def resident(pid: int) -> int:
    try:
        return int(stat_fields(pid)[21]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
