# SPDX-License-Identifier: Apache-2.0
"""Runs transactions that count and announce their steps over the bus, and processes that handle them, while all of
them and their servers are killed, paused and restarted at random; then holds the ledger of what was committed against
what was handled.

  soak.py               BUS=postgres or BUS=kafka, by default one after the other
  soak.py --self-test   only whether the comparison finds what it is there to find

SOAK_MINUTES (30) in all, SOAK_SEED to repeat the faults of a run, SOAK_RATE transactions a second (400). SLIPWAY_BIN
names the folder of the executables. The exit status is 1 when anything was lost, reordered or doubled, or when a
process ended that nobody had asked to.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(CHECKOUT / "examples" / "demo"))

from slipway_local import packages  # noqa: E402
from slipway_local.processes import executable  # noqa: E402
from slipway_local.steps import Failure, StepLog, say  # noqa: E402

from faults import Faults  # noqa: E402
from ledger import Verdict, compare, self_test  # noqa: E402
from world import HANDLER, HANDLERS, WRITER, WRITERS, Fleet, World  # noqa: E402

BUSES = ("postgres", "kafka")
WARM_UP_MAX_SECONDS = 60
PROGRESS_SECONDS = 5.0
TICK_SECONDS = 0.05
# For what the faults have dammed up, at this many a second at least, and for groups to find together again.
DRAIN_MIN_PER_SECOND, DRAIN_EXTRA_SECONDS = 100, 120
# All is handled: this long is watched for what comes once more.
QUIET_SECONDS = 5.0


class Soak:
    def __init__(self, kind: str, minutes: float, rate: int, seed: int):
        self.kind = kind
        self.minutes = minutes
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-soak-"))
        # Postgres runs as a user of its own and has to get there.
        self.folder.chmod(0o711)
        self.world = World(self.folder / "state", kind)
        self.fleet = Fleet(self.world, rate)
        self.faults = Faults(self.world, self.fleet, f"{seed} {kind}")
        self.began = time.monotonic()
        self.struck: list[str] = []
        self.drain_seconds = 0.0
        self.memory_max = 0

    def run(self) -> Verdict:
        say(f"bus {self.kind}, {self.minutes:g} minutes")
        self.world.start()
        for role, count in ((WRITER, WRITERS), (HANDLER, HANDLERS)):
            for _ in range(count):
                self.fleet.start(role)
        self.warm_up()
        self.trouble()
        self.drain()
        return self.verdict()

    # What the databases say, `None` while they are down. Whoever reads `committed` last never sees more handled.

    def committed(self) -> int | None:
        return self.world.number(WRITER, "SELECT sum(sequence) FROM counters")

    def handled(self) -> int | None:
        return self.world.number(HANDLER, "SELECT count(*) FROM effects")

    def parked(self) -> int | None:
        return self.world.number(HANDLER, "SELECT count(*) FROM letters")

    def progress(self) -> None:
        handled, parked, committed = self.handled(), self.parked(), self.committed()
        numbers = [("committed", committed), ("handled", handled), ("parked", parked)]
        numbers.insert(2, ("waiting", None if None in (committed, handled, parked) else committed - handled - parked))
        text = "  ".join(f"{name} {'?' if number is None else number:>8}" for name, number in numbers)
        last = f": {', '.join(self.struck)}" if self.struck else ""
        say(f"  {self.kind:<8} {time.monotonic() - self.began:6.0f} s  {text}  "
            f"faults {self.faults.counts.total():>4}{last}")
        self.struck.clear()
        self.memory_max = max(self.memory_max, self.fleet.memory())

    def warm_up(self) -> None:
        """A soak in which nothing works would find no fault."""
        deadline = time.monotonic() + WARM_UP_MAX_SECONDS
        while not self.handled():
            self.fleet.watch()
            if self.fleet.problems or time.monotonic() > deadline:
                lines = self.fleet.problems or [worker.last_lines() for worker in self.fleet.workers]
                raise Failure("nothing is handled, before any fault:\n    " + "\n    ".join(lines),
                              f"the logs are in {self.world.state.path('logs')}")
            time.sleep(TICK_SECONDS)

    def trouble(self) -> None:
        self.began = time.monotonic()
        end = self.began + self.minutes * 60
        strike = self.began + self.faults.next_in()
        report = self.began + PROGRESS_SECONDS
        while time.monotonic() < end:
            self.faults.repair_due()
            self.fleet.watch()
            if time.monotonic() >= strike:
                self.struck.append(self.faults.strike())
                strike = time.monotonic() + self.faults.next_in()
            if time.monotonic() >= report:
                self.progress()
                report = time.monotonic() + PROGRESS_SECONDS
            time.sleep(TICK_SECONDS)

    def drain(self) -> None:
        """No more faults and no more writing: what was committed is now to arrive."""
        began = time.monotonic()
        self.faults.settle()
        self.fleet.rate = 0
        # The one that comes only sees to the outbox.
        self.fleet.start(WRITER)
        self.fleet.leave([worker for worker in self.fleet.living(WRITER)[:-1]])
        deadline = report = None
        while True:
            self.fleet.watch()
            handled, parked, committed = self.handled(), self.parked(), self.committed()
            if None not in (committed, handled, parked):
                waiting = committed - handled - parked
                if waiting <= 0:
                    break
                deadline = deadline or time.monotonic() + DRAIN_EXTRA_SECONDS + waiting / DRAIN_MIN_PER_SECOND
            if time.monotonic() > (deadline or began + DRAIN_EXTRA_SECONDS):
                say("  what is missing has not come in time")
                break
            if report is None or time.monotonic() >= report:
                self.progress()
                report = time.monotonic() + PROGRESS_SECONDS
            time.sleep(0.5)
        self.drain_seconds = time.monotonic() - began
        self.deliver_again()
        self.progress()

    def deliver_again(self) -> None:
        """Handlers that are killed and started once more are given again what they had not committed."""
        count = len(self.fleet.living(HANDLER))
        for worker in self.fleet.living(HANDLER):
            self.fleet.kill(worker)
        for _ in range(count):
            self.fleet.start(HANDLER)
        quiet_since, seen = time.monotonic(), None
        deadline = time.monotonic() + DRAIN_EXTRA_SECONDS
        # The group has to find together first, which is longest after members that died.
        while time.monotonic() - quiet_since < 2 * QUIET_SECONDS + 10 and time.monotonic() < deadline:
            now = (self.handled(), self.parked())
            if now != seen:
                quiet_since, seen = time.monotonic(), now
            self.fleet.watch()
            time.sleep(0.5)
        self.fleet.leave(list(self.fleet.workers))

    def verdict(self) -> Verdict:
        rows = self.world.rows
        return compare(
            ((key, int(sequence), token, poison == "t") for key, sequence, token, poison in rows(
                WRITER, 'SELECT key, sequence, token, poison FROM ledger ORDER BY key COLLATE "C", sequence')),
            ((key, int(position), int(sequence), token, int(previous))
             for key, position, sequence, token, previous in rows(
                 HANDLER, 'SELECT key, position, sequence, token, previous FROM effects '
                 'ORDER BY key COLLATE "C", position')),
            ((key, int(sequence), token, cause) for key, sequence, token, cause in rows(
                HANDLER, 'SELECT key, sequence, token, cause FROM letters ORDER BY key COLLATE "C", sequence')))

    def show(self, verdict: Verdict, seed: int) -> bool:
        rate = verdict.handled / (self.minutes * 60)
        rows = [
            ("committed", f"{verdict.committed} events, of which {verdict.poison} poison"),
            ("handled", f"{verdict.handled} ({rate:.0f}/s)"), ("poison parked", str(verdict.parked)),
            ("lost", str(verdict.lost)), ("reordered", str(verdict.reordered)), ("doubled", str(verdict.doubled)),
            ("rolled back, yet seen", str(verdict.phantom)),
            ("drained after", f"{self.drain_seconds:.1f} s"),
            ("largest process", f"{self.memory_max / 1e6:.0f} MB"),
            ("faults", f"{self.faults.counts.total()}, seed {seed}"),
        ]
        say(f"\nbus {self.kind}:")
        for name, value in rows:
            say(f"  {name:<22} {value}")
        for name, count in sorted(self.faults.counts.items(), key=lambda entry: -entry[1]):
            say(f"    {name:<26} {count}")
        for line in verdict.samples + self.fleet.problems:
            say(f"  ✗ {line}")
        say("")
        return verdict.is_clean and not self.fleet.problems

    def totals(self, verdict: Verdict) -> Counter:
        return Counter(
            events=verdict.committed, faults=self.faults.counts.total(), lost=verdict.lost, doubled=verdict.doubled,
            reordered=verdict.reordered, phantom=verdict.phantom, problems=len(self.fleet.problems))

    def close(self, is_kept: bool) -> None:
        self.fleet.end()
        self.world.stop()
        if is_kept:
            say(f"Logs and data are kept in {self.folder}")
        else:
            self.world.remove()
            self.folder.rmdir()


def setting(name: str, default: float, least: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not value >= least:
        raise Failure(f"{name} is {text!r}", f"give a number of at least {least:g}")
    return value


def main(arguments: list[str]) -> int:
    self_test()
    if arguments == ["--self-test"]:
        say("the comparison finds lost, reordered, doubled and phantom events")
        return 0
    bus = os.environ.get("BUS", "")
    if arguments or bus not in ("", *BUSES):
        raise Failure(f"there is no bus {bus!r}" if bus else f"what is {arguments[0]}?", "BUS=postgres or BUS=kafka")
    kinds = [bus] if bus else list(BUSES)
    minutes = setting("SOAK_MINUTES", 30, 0.1) / len(kinds)
    rate = int(setting("SOAK_RATE", 400, 1))
    seed = int(setting("SOAK_SEED", random.SystemRandom().randrange(1, 10**9), 0))
    packages.ensure(packages.RUN, StepLog())
    executable("bus-soak")
    say(f"SOAK_SEED={seed} repeats these faults")

    total: Counter = Counter()
    for kind in kinds:
        soak = Soak(kind, minutes, rate, seed)
        is_kept = False
        try:
            verdict = soak.run()
            is_kept = not soak.show(verdict, seed)
        except Exception:
            is_kept = True
            raise
        finally:
            soak.close(is_kept)
        total += soak.totals(verdict)
    figures = {word: total[word] for word in ("events", "faults", "lost", "reordered", "doubled")}
    wrong = {word: total[word] for word in ("lost", "reordered", "doubled", "phantom", "problems") if total[word]}
    if wrong:
        say(f"SOAK_SEED={seed} repeats these faults")
    say(f"soak-bus: bus={'+'.join(kinds)} minutes={minutes * len(kinds):g} "
        + " ".join(f"{word}={number}" for word, number in (figures | wrong).items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(failure.show(), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
