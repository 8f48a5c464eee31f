# SPDX-License-Identifier: Apache-2.0
"""Packages from PyPI in virtual environments of the checkout's build folder: the system's Python is not touched."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import packages
from .state import CHECKOUT
from .steps import Failure, StepLog

CACHE = CHECKOUT / ".build" / "python"
INSTALL_MAX_SECONDS = 600


def ensure(name: str, requirements: list[str], reason: str, otherwise: str, log: StepLog) -> Path:
    """The environment's folder, made where it is missing or holds other versions; the network is needed once.

    `reason` says what the packages are for, `otherwise` what helps where they cannot be had.
    """
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    complete = folder / "complete"
    if complete.exists():
        return folder
    packages.ensure(["python3-venv"], log)
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            for older in CACHE.glob(f"{name}-*"):
                shutil.rmtree(older, ignore_errors=True)
            with log.step(f"installing {', '.join(requirements)} from PyPI: {reason}"):
                make(folder, requirements, otherwise)
            complete.touch()
    return folder


def make(folder: Path, requirements: list[str], otherwise: str) -> None:
    run([sys.executable, "-m", "venv", str(folder)], "the virtual environment could not be made", otherwise)
    run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        f"pip could not install {', '.join(requirements)}",
        f"check the network and pip's settings (PIP_INDEX_URL, /etc/pip.conf), then run this again; {otherwise}")


def run(command: list[str], problem: str, fix: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=INSTALL_MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{problem} within {INSTALL_MAX_SECONDS} s", fix) from error
    if result.returncode != 0:
        tail = "\n    ".join(result.stdout.strip().splitlines()[-6:])
        raise Failure(f"{problem}:\n    {tail}", fix)


def site_packages(folder: Path) -> Path:
    """Where the environment keeps its modules."""
    return next((folder / "lib").glob("python*/site-packages"))
