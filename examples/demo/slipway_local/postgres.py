# SPDX-License-Identifier: Apache-2.0
"""Private Postgres clusters of a stack. A system cluster is never looked at.

`platform` holds one database and one role per service; a role can connect to its own database only. `tenants` is the
server on which the databases of deployed apps are provisioned, reached by their containers at the engine's bridge.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .state import State, port_is_free
from .steps import Failure

ADMIN = "postgres"
DATABASES = ["panel", "controller", "builder", "services"]
# Address ranges from which container engines number their bridges.
BRIDGE_RANGES = ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]
START_MAX_SECONDS = 60


def binaries() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    if not versions:
        raise Failure("no Postgres server is installed", "apt-get install postgresql-15")
    return versions[-1].parent


class Cluster:
    def __init__(self, state: State, name: str, address: str = "127.0.0.1"):
        self.state = state
        self.name = name
        self.address = address
        self.user = ADMIN if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = home(state) / name
        self.log = self.folder / "server.log"
        self.data = self.folder / "data"

    @property
    def port(self) -> int:
        return self.state.port(f"postgres.{self.name}")

    def url(self, role: str, database: str | None = None, address: str = "127.0.0.1") -> str:
        password = self.state.secret(f"postgres.{self.name}.{role}")
        return f"postgresql://{role}:{password}@{address}:{self.port}/{database or role}"

    def ensure(self, durable: bool = True) -> str:
        """Creates and starts the cluster; says in one word what had to be done."""
        created = not (self.data / "PG_VERSION").exists()
        if created:
            self.create(durable)
        if self.is_running():
            return "ok"
        self.configure(durable)
        self.start()
        return "created" if created else "started"

    def create(self, durable: bool) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self.give(self.folder)
        self.state.write_secret(f"postgres.{self.name}.{ADMIN}", secrets.token_hex(24))
        with tempfile.NamedTemporaryFile("w", dir=self.folder) as password:
            password.write(self.state.secret(f"postgres.{self.name}.{ADMIN}"))
            password.flush()
            self.give(Path(password.name))
            options = [] if durable else ["--no-sync"]
            self.run([
                "initdb", "--pgdata", str(self.data), "--username", ADMIN, "--pwfile", password.name, "--auth",
                "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", *options,
            ], f"the Postgres cluster {self.name} could not be created")

    def configure(self, durable: bool) -> None:
        addresses = dict.fromkeys(["127.0.0.1", self.address])
        for address in addresses:
            if not port_is_free(self.port, address):
                raise Failure(
                    f"port {self.port} at {address}, which belongs to the Postgres cluster {self.name}, is taken",
                    f"stop what listens there (`ss -ltnp 'sport = :{self.port}'`), or begin anew with `make demo-down`")
        # No unix socket: its path would have to be short, and everyone here connects over TCP with a password.
        settings = {
            "listen_addresses": f"'{','.join(addresses)}'", "port": str(self.port), "unix_socket_directories": "''",
            "max_connections": "500", "shared_buffers": "64MB", "fsync": "on" if durable else "off",
            "logging_collector": "off", "log_min_messages": "warning", "log_statement": "none",
            "log_min_error_statement": "panic",
        }
        self.write("postgresql.conf", [f"{key} = {value}" for key, value in settings.items()])
        access = [f"host all {ADMIN} 127.0.0.1/32 scram-sha-256", "host sameuser all 127.0.0.1/32 scram-sha-256"]
        if self.address != "127.0.0.1":
            access.append(f"host all {ADMIN} {self.address}/32 scram-sha-256")
            access += [f"host all {ADMIN} {span} reject" for span in BRIDGE_RANGES]
            access += [f"host sameuser all {span} scram-sha-256" for span in BRIDGE_RANGES]
        self.write("pg_hba.conf", access)

    def write(self, name: str, lines: list[str]) -> None:
        path = self.data / name
        path.write_text("\n".join(lines) + "\n")
        self.give(path)

    def give(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, self.user, self.user)

    def start(self) -> None:
        options = ["--pgdata", str(self.data), "--log", str(self.log), "--timeout", str(START_MAX_SECONDS), "--wait"]
        self.run(["pg_ctl", "start", "--silent", *options], f"the Postgres cluster {self.name} did not start")

    def run(self, command: list[str], problem: str) -> None:
        """Runs one of Postgres's programs as the user that owns the cluster: they refuse to run as root."""
        identity = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        result = subprocess.run(
            [str(binaries() / command[0]), *command[1:]], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, text=True, errors="replace",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}, check=False, **identity)
        if result.returncode != 0:
            log = self.log.read_text(errors="replace") if self.log.exists() else ""
            lines = (result.stderr + log).strip().splitlines()[-6:]
            raise Failure(problem + ":\n    " + "\n    ".join(lines), f"read the lines above; the log is {self.log}")

    def pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            return None
        return pid if str(self.data).encode() in command else None

    def is_running(self) -> bool:
        return self.pid() is not None

    def stop(self) -> None:
        pid = self.pid()
        # SIGINT: fast shutdown, which ends sessions; SIGQUIT: immediate.
        for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
            if pid is None:
                return
            os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.05)
            pid = self.pid()

    def psql(self, script: str, database: str = ADMIN) -> str:
        """The script arrives on standard input: passwords in it are in no argument list."""
        result = subprocess.run(
            [str(binaries() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input=script, capture_output=True, text=True, check=False, env=self.client_environment(ADMIN, database))
        if result.returncode != 0:
            raise Failure(f"Postgres ({self.name}): {result.stderr.strip()}", f"the server's log is {self.log}")
        return result.stdout

    def client_environment(self, role: str, database: str) -> dict:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PGHOST": "127.0.0.1", "PGPORT": str(self.port),
            "PGUSER": role, "PGDATABASE": database, "PGPASSWORD": self.state.secret(f"postgres.{self.name}.{role}"),
        }

    def ensure_databases(self, names: list[str]) -> None:
        existing = self.psql("SELECT datname FROM pg_database").split()
        for name in names:
            secret = f"postgres.{self.name}.{name}"
            if name in existing and self.state.secret_file(secret).exists():
                continue
            self.state.write_secret(secret, secrets.token_hex(24))
            self.psql(
                f"DROP DATABASE IF EXISTS {name};\nDROP ROLE IF EXISTS {name};\n"
                f"CREATE ROLE {name} LOGIN PASSWORD '{self.state.secret(secret)}';\n"
                f"CREATE DATABASE {name} OWNER {name};\n"
                f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n")


def home(state: State) -> Path:
    """The clusters' folder: in the state folder, unless the user that owns them cannot get there."""
    chosen = state.data.get("postgresHome")
    if chosen is None:
        chosen = str(state.path("postgres"))
        if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in [state.root, *state.root.parents]):
            chosen = f"/var/lib/slipway-{state.digest}"
        state.data["postgresHome"] = chosen
        state.save()
    folder = Path(chosen)
    folder.mkdir(mode=0o711, exist_ok=True)
    return folder


def remove_all(state: State) -> None:
    chosen = state.data.get("postgresHome")
    if chosen is None:
        return
    for name in ("platform", "tenants", "test"):
        Cluster(state, name).stop()
    shutil.rmtree(chosen, ignore_errors=True)
