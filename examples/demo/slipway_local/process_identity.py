# SPDX-License-Identifier: Apache-2.0
"""Tells whether a process is still the one that was started: numbers of ended processes are given out again."""

from pathlib import Path


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name, which may hold blanks; state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    try:
        return int(stat_fields(pid)[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int, ticks: int | None) -> bool:
    """`False` for an ended process that nobody has waited for.

    A process whose first thread has ended looks like that, too, while its other threads still run.
    """
    try:
        fields = stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    if fields[0] == "Z" and int(fields[17]) <= 1:
        return False
    return int(fields[19]) == ticks
