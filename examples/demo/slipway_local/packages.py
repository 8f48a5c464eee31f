# SPDX-License-Identifier: Apache-2.0
"""Debian packages by name: what is missing and why is said before anything is installed."""

import os
import subprocess
from pathlib import Path

from .steps import Failure, StepLog, say

REASONS = {
    "ca-certificates": "TLS certificates, also for the base images",
    "libpq-dev": "the Postgres client library that the services are built on",
    "librdkafka-dev": "the Kafka client library that the services are built on",
    "librdkafka1": "the Kafka client library",
    "zlib1g-dev": "compression, for the HTTP libraries",
    "pkg-config": "tells the Swift build where libpq and librdkafka are",
    "openssl": "makes the sealing keys",
    "postgresql-15": "databases; only private clusters in the state folder are started",
    "docker.io": "the container engine",
    "mmdebstrap": "makes base images from Debian packages where no registry is reachable",
    "iproute2": "makes the network of the end-to-end tests' machines",
    "iptables": "lets a network link fail one way only, in the end-to-end tests",
    "e2fsprogs": "makes the disks of the end-to-end tests' machines",
    "python3-pytest": "runs the end-to-end tests",
    "python3-venv": "keeps packages from PyPI apart from the system's Python",
}
BUILD = ["ca-certificates", "libpq-dev", "librdkafka-dev", "zlib1g-dev", "pkg-config"]
RUN = ["ca-certificates", "openssl", "postgresql-15", "librdkafka1"]
TEST = ["python3-pytest", "python3-venv", "iproute2", "iptables", "e2fsprogs"]
CREATECLUSTER = Path("/etc/postgresql-common/createcluster.d/slipway.conf")


def missing(names: list[str]) -> list[str]:
    result = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
        capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in result.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in dict.fromkeys(names) if name not in installed]


def ensure(names: list[str], log: StepLog) -> None:
    absent = missing(names)
    if not absent:
        return
    say("These Debian packages are missing and will be installed:")
    for name in absent:
        say(f"  {name:<16} {REASONS.get(name, '')}")
    if os.geteuid() != 0:
        raise Failure(
            "installing packages needs root", f"sudo apt-get install --no-install-recommends {' '.join(absent)}")
    with log.step(f"installing {', '.join(absent)}"):
        with without_system_cluster("postgresql-15" in absent):
            install(absent)


def install(names: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
    result = run(command, environment)
    if result.returncode != 0:
        # Package lists may be absent or older than what the archive still has.
        run(["apt-get", "update", "-q"], environment)
        result = run(command, environment)
    if result.returncode != 0:
        tail = "\n    ".join(result.stdout.strip().splitlines()[-8:])
        raise Failure(
            f"apt-get could not install {' '.join(names)}:\n    {tail}",
            "check the network and /etc/apt/sources.list.d, then run `make packages` again")


def run(command: list[str], environment: dict) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False)


class without_system_cluster:
    """While `postgresql-15` is installed, its post-install script is told not to make and start a system cluster.

    The drop-in file exists for that time only; a machine that has the package already is not touched.
    """

    def __init__(self, needed: bool):
        self.needed = needed
        self.made: list[Path] = []

    def __enter__(self) -> None:
        if not self.needed or CREATECLUSTER.exists():
            return
        folder = CREATECLUSTER.parent
        while not folder.exists():
            self.made.append(folder)
            folder = folder.parent
        CREATECLUSTER.parent.mkdir(parents=True, exist_ok=True)
        CREATECLUSTER.write_text("create_main_cluster = false\n")
        self.made.insert(0, CREATECLUSTER)

    def __exit__(self, *_) -> None:
        for path in self.made:
            try:
                path.unlink() if path.is_file() else path.rmdir()
            except OSError:
                pass  # The package owns the folder now.
