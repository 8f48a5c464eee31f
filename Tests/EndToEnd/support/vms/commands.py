# SPDX-License-Identifier: Apache-2.0
"""System tools that a fleet is made with."""

import subprocess

from slipway_local.steps import Failure

COMMAND_MAX_SECONDS = 30


def run(*command: str) -> str:
    """What it wrote. Raises `Failure` with its last words."""
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=COMMAND_MAX_SECONDS, check=False)
    if result.returncode != 0:
        raise Failure(f"`{' '.join(command)}` ended with {result.returncode}: {result.stderr.strip()}",
                      "fleets need root and the packages iproute2, iptables, e2fsprogs and docker.io")
    return result.stdout


def attempt(*command: str) -> bool:
    """For clearing away what may be gone already."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
