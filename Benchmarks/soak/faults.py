# SPDX-License-Identifier: Apache-2.0
"""What happens to the processes and servers of a soak.

A seed gives the same kinds of faults in the same order at the same intervals, as far as they are possible when their
turn comes; what they meet is never quite the same.
"""

import heapq
import mmap
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from slipway_local import recorded
from slipway_local.postgres import Cluster
from slipway_local.steps import Failure, StepLog
from world import HANDLER, HANDLERS, WRITER, Fleet, Worker, World

HANDLERS_MAX = 5
PAUSE_BETWEEN = (1.0, 8.0)
# Most pauses are over before anyone is taken for dead; some outlast the ten seconds of a Kafka session.
SHORT_PAUSE, LONG_PAUSE, LONG_SHARE = (0.2, 3.0), (8.0, 16.0), 0.2
OUTAGE = (0.0, 4.0)
RETRY_SECONDS = 1.0
STOP_MAX_SECONDS = 20
SAVED_AFTER_SECONDS, SAVED_MAX_SECONDS = 2.0, 90


def saved_ends(file: Path) -> list[int]:
    """How far the partitions reach in the broker's data file, which may be hundreds of megabytes, without the order."""
    with open(file, "rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sorted(int(match[1]) for match in re.finditer(rb'"high_watermark":(\d+)', data) if match[1] != b"0")


class Faults:
    def __init__(self, world: World, fleet: Fleet, seed: str):
        self.world = world
        self.fleet = fleet
        self.schedule = random.Random(f"schedule {seed}")
        # Whom it meets and for how long depends on what is there.
        self.generator = random.Random(f"details {seed}")
        self.counts: Counter = Counter()
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.order = 0
        self.is_broker_hurt = False
        self.frozen: set[int] = set()
        self.kinds: list[tuple[Callable[[], bool], int]] = [
            (self.kill_writer, 4), (self.replace_writer, 2), (self.pause_writer, 3), (self.kill_handler, 6),
            (self.add_handler, 5), (self.remove_handler, 5), (self.pause_handler, 4), (self.kill_all_handlers, 1),
            (self.end_service_sessions, 3), (self.kill_service_session, 1), (self.restart_service_postgres, 2),
        ]
        if world.bus:
            self.kinds += [
                (self.end_bus_sessions, 4), (self.freeze_bus_session, 3), (self.kill_bus_session, 2),
                (self.restart_bus_postgres, 3),
            ]
        else:
            self.kinds += [(self.pause_broker, 5), (self.kill_broker, 3)]

    def strike(self) -> str:
        """One fault that is possible now; its name."""
        methods, weights = zip(*self.kinds)
        while True:
            method = self.schedule.choices(methods, weights)[0]
            try:
                if method():
                    break
            except Failure:
                continue  # A server that it needs is down from an earlier one.
        name = method.__name__.replace("_", "-")
        self.counts[name] += 1
        return name

    def next_in(self) -> float:
        return self.schedule.uniform(*PAUSE_BETWEEN)

    # Repairs

    def later(self, span: tuple[float, float], repair: Callable[[], None]) -> None:
        self.at(time.monotonic() + self.generator.uniform(*span), repair)

    def at(self, moment: float, repair: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.due, (moment, self.order, repair))

    def repair_due(self) -> None:
        while self.due and self.due[0][0] <= time.monotonic():
            self.repair_next()

    def repair_all(self) -> None:
        while self.due:
            self.repair_next()

    def repair_next(self) -> None:
        _, __, repair = heapq.heappop(self.due)
        repair()

    def pause(self) -> tuple[float, float]:
        return LONG_PAUSE if self.generator.random() < LONG_SHARE else SHORT_PAUSE

    # Processes

    def pick(self, role: str, at_least: int = 1) -> Worker | None:
        living = self.fleet.living(role)
        return self.generator.choice(living) if len(living) >= at_least else None

    def kill_writer(self) -> bool:
        return self.kill_one(WRITER)

    def kill_handler(self) -> bool:
        return self.kill_one(HANDLER)

    def kill_one(self, role: str) -> bool:
        worker = self.pick(role)
        if not worker:
            return False
        self.fleet.kill(worker)
        self.later(OUTAGE, lambda: self.fleet.start(role))
        return True

    def kill_all_handlers(self) -> bool:
        living = self.fleet.living(HANDLER)
        for worker in living:
            self.fleet.kill(worker)
        for _ in living:
            self.later(OUTAGE, lambda: self.fleet.start(HANDLER))
        return bool(living)

    def replace_writer(self) -> bool:
        worker = self.pick(WRITER)
        if worker:
            worker.leave()
            self.later(OUTAGE, lambda: self.fleet.start(WRITER))
        return worker is not None

    def add_handler(self) -> bool:
        if len(self.fleet.living(HANDLER)) >= HANDLERS_MAX:
            return False
        self.fleet.start(HANDLER)
        return True

    def remove_handler(self) -> bool:
        worker = self.pick(HANDLER, at_least=2)
        if worker:
            worker.leave()
        return worker is not None

    def pause_writer(self) -> bool:
        return self.pause_one(WRITER)

    def pause_handler(self) -> bool:
        return self.pause_one(HANDLER)

    def pause_one(self, role: str) -> bool:
        worker = self.pick(role)
        if worker:
            self.hold([worker])
            self.later(self.pause(), lambda: self.release([worker]))
        return worker is not None

    def hold(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.pause()

    def release(self, workers: list[Worker]) -> None:
        for worker in workers:
            if worker in self.fleet.workers:
                worker.resume()

    # Postgres

    def end_service_sessions(self) -> bool:
        return self.end_sessions(self.world.services, self.generator.choice([WRITER, HANDLER]))

    def end_bus_sessions(self) -> bool:
        return self.end_sessions(self.world.bus, "bus")

    def kill_service_session(self) -> bool:
        return self.kill_session(self.world.services)

    def kill_bus_session(self) -> bool:
        return self.kill_session(self.world.bus)

    def restart_service_postgres(self) -> bool:
        return self.restart(self.world.services)

    def restart_bus_postgres(self) -> bool:
        return self.restart(self.world.bus)

    def sessions(self, cluster: Cluster, database: str = "") -> list[int]:
        where = f"datname = '{database}'" if database else "datname IS NOT NULL"
        return [int(pid) for pid in cluster.psql(
            f"SELECT pid FROM pg_stat_activity WHERE {where} AND backend_type = 'client backend'"
            " AND pid <> pg_backend_pid() ORDER BY pid").split()]

    def end_sessions(self, cluster: Cluster, database: str) -> bool:
        """Some or all, as an administrator does."""
        share = self.generator.choice([0.3, 0.7, 1.0])
        ended = [pid for pid in self.sessions(cluster, database) if self.generator.random() <= share]
        if ended:
            cluster.psql(f"SELECT pg_terminate_backend(pid) FROM unnest(ARRAY{ended}) AS pid")
        return bool(ended)

    def kill_session(self, cluster: Cluster) -> bool:
        """Postgres ends all other sessions, too, and recovers, as after a crash of its own."""
        pids = self.sessions(cluster)
        return bool(pids) and self.signal(self.generator.choice(pids), signal.SIGKILL)

    def freeze_bus_session(self) -> bool:
        """It keeps its locks meanwhile."""
        pids = self.sessions(self.world.bus)
        pid = self.generator.choice(pids) if pids else 0
        if not pid or pid in self.frozen or not self.signal(pid, signal.SIGSTOP):
            return False
        self.frozen.add(pid)
        self.later(self.pause(), lambda: self.thaw(pid))
        return True

    def thaw(self, pid: int) -> None:
        self.frozen.discard(pid)
        self.signal(pid, signal.SIGCONT)

    def signal(self, pid: int, number: int) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def restart(self, cluster: Cluster) -> bool:
        """Without a checkpoint: it recovers what was committed from its log."""
        pid = cluster.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + STOP_MAX_SECONDS
        while cluster.is_running():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres ({cluster.name}) does not stop")
            time.sleep(0.02)
        self.later(OUTAGE, lambda: self.start_again(cluster))
        return True

    def start_again(self, cluster: Cluster) -> None:
        try:
            cluster.start()
        except Failure:
            if cluster.is_running():
                return
            # A session that was frozen may hold the shared memory a moment longer.
            for pid in list(self.frozen):
                self.thaw(pid)
            self.at(time.monotonic() + RETRY_SECONDS, lambda: self.start_again(cluster))

    # Kafka

    def pause_broker(self) -> bool:
        if self.is_broker_hurt:
            return False
        self.is_broker_hurt = True
        self.world.broker.process.signal(signal.SIGSTOP)
        self.later(self.pause(), self.resume_broker)
        return True

    def resume_broker(self) -> None:
        self.world.broker.process.signal(signal.SIGCONT)
        self.is_broker_hurt = False

    def kill_broker(self) -> bool:
        """SIGKILL with requests that were sent and not answered.

        This broker answers before it saves, and what it has not saved is gone, which no replicated cluster does and
        no client can mend. So all clients are held still until it has saved everything; then it is held still while
        they go on, and killed with what they have sent it in the meantime.
        """
        if self.is_broker_hurt:
            return False
        clients = list(self.fleet.workers)
        self.hold(clients)
        is_saved = self.await_saved()
        if is_saved:
            self.world.broker.process.signal(signal.SIGSTOP)
        self.release(clients)
        if not is_saved:
            return False
        self.is_broker_hurt = True
        time.sleep(self.generator.uniform(0.1, 1.5))
        recorded.kill([self.world.broker.process])
        self.later(OUTAGE, self.start_broker)
        return True

    def await_saved(self) -> bool:
        """Until the file reaches as far as the log, and has not been replaced for a while: offsets of groups are in it,
        too, and those are not compared, since what is handled again does no harm."""
        file = self.world.broker.data / "kafka.json"
        began = changed = time.monotonic()
        known = None
        while time.monotonic() - began < SAVED_MAX_SECONDS:
            # It is renamed into its place, so it is always there.
            present = file.stat().st_ino
            if present != known:
                known, changed = present, time.monotonic()
            # A busy broker takes in late what clients had sent before they were held still: this is asked last.
            if time.monotonic() - changed > SAVED_AFTER_SECONDS and saved_ends(file) == self.world.ends():
                return True
            time.sleep(0.05)
        return False

    def start_broker(self) -> None:
        self.world.broker.ensure(StepLog())
        self.is_broker_hurt = False

    def settle(self) -> None:
        """Ends all trouble: what is paused goes on, what was ended is there again, and so are enough handlers."""
        self.repair_all()
        while len(self.fleet.living(HANDLER)) < HANDLERS:
            self.fleet.start(HANDLER)
