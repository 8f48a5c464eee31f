# SPDX-License-Identifier: Apache-2.0
"""Progress for people: one line per step, and failures that name their cause and the fix."""

import sys
import time


class Failure(Exception):
    """Something a person has to know: what went wrong and what to do about it."""

    def __init__(self, cause: str, fix: str):
        super().__init__(cause)
        self.cause = cause
        self.fix = fix

    def show(self) -> str:
        return f"\n✗ {self.cause}\n  Fix: {self.fix}"


class Step:
    """`→ title … ok (1.2 s)`. A live step lets its own output appear between title and result."""

    def __init__(self, title: str, log: "StepLog", live: bool = False):
        self.title = title
        self.live = live
        self.log = log
        self.note = "ok"

    def __enter__(self) -> "Step":
        self.started = time.monotonic()
        sys.stdout.write(f"→ {self.title} …" + ("\n" if self.live else " "))
        sys.stdout.flush()
        return self

    def __exit__(self, kind, value, traceback) -> None:
        seconds = time.monotonic() - self.started
        word = self.note if kind is None else "failed"
        lead = f"  {self.title}: " if self.live else ""
        print(f"{lead}{word} ({seconds:.1f} s)", flush=True)
        self.log.times.append((self.title, seconds))


class StepLog:
    """The steps taken so far with their times."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    def step(self, title: str, live: bool = False) -> Step:
        return Step(title, self, live)


def say(text: str) -> None:
    print(text, flush=True)
