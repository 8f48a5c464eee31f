# SPDX-License-Identifier: Apache-2.0
"""The servers of one benchmark, all of its own and in one folder, and the programs that are measured on them."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from slipway_local import postgres
from slipway_local.broker import Broker
from slipway_local.postgres import ADMIN, Cluster
from slipway_local.processes import executable
from slipway_local.state import State
from slipway_local.steps import Failure, StepLog

DATABASES = ["bus", "here", "elsewhere", "small", "large"]
PROGRAM_MAX_SECONDS = 300
# What Slipway's Kafka bus gives to librdkafka (KafkaConfiguration.swift, KafkaLimits.swift), given to the anchor too.
# The broker does not heed the limits of a fetch and sends all it has: both have to take the large answer.
COMMON = {
    "socket.nagle.disable": "true", "socket.keepalive.enable": "true", "socket.timeout.ms": 15_000,
    "socket.connection.setup.timeout.ms": 10_000, "reconnect.backoff.ms": 100, "reconnect.backoff.max.ms": 2_000,
}
PRODUCER = COMMON | {
    "enable.idempotence": "true", "acks": "all", "message.timeout.ms": 0, "linger.ms": 2,
    "queue.buffering.max.messages": 16_384, "queue.buffering.max.kbytes": 24 << 10,
    "message.max.bytes": (1 << 20) + (64 << 10),
}
CONSUMER = COMMON | {
    "enable.auto.offset.store": "false", "enable.auto.commit": "true", "auto.commit.interval.ms": 100,
    "auto.offset.reset": "earliest", "partition.assignment.strategy": "roundrobin,range", "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000, "fetch.wait.max.ms": 100, "fetch.error.backoff.ms": 100,
    "fetch.message.max.bytes": 1 << 20, "fetch.max.bytes": 8 << 20, "receive.message.max.bytes": 1 << 30,
    "queued.min.messages": 100_000, "queued.max.messages.kbytes": 32 << 10,
}
# Ten million records in minutes: without write-ahead log, and the index at the end. `COPY` gets them from awk, four
# partitions in turn, keys, headers and values as bus-bench makes them.
FILL = r"""
BEGIN;
TRUNCATE events;
ALTER TABLE events DROP CONSTRAINT events_pkey;
COPY events (partition_id, "offset", published_at, key, headers, value) FROM PROGRAM $$awk 'BEGIN {
    value = sprintf("%1024s", ""); gsub(" ", "x", value);
    before = "ce_specversion:1.0\\nce_id:evt_01j9z3x8k2v7q5m4n6p8r0s2t4\\nce_type:bench.measured.v1\\n";
    before = before "ce_source:/slipway/bench\\nce_time:2026-01-01T00:00:00.000000Z\\nce_subject:key-";
    after = "\\ncontent-type:application/json\\n";
    for (n = 0; n < COUNT; n++) {
        key = n % 1000;
        printf "%d\t%d\tnow\tkey-%d\t%s%d%s\t%s\n", FIRST + n % 4, n / 4, key, before, key, after, value;
    } }'$$ WITH (FREEZE);
ALTER TABLE events ADD CONSTRAINT events_pkey PRIMARY KEY (partition_id, "offset");
UPDATE partitions SET oldest_offset = 0, next_offset = COUNT / 4 WHERE topic = 'TOPIC';
DELETE FROM offsets;
INSERT INTO offsets ("group", topic, partition, "offset")
SELECT 'GROUP', topic, partition, next_offset FROM partitions WHERE topic = 'TOPIC';
COMMIT;
VACUUM ANALYZE partitions;
CHECKPOINT;
"""


class Servers:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
        # Postgres runs as a user of its own and has to get there.
        self.folder.chmod(0o711)
        self.state = State(self.folder / "state")
        self.state.create()
        self.cluster = Cluster(self.state, "bench")
        self.broker = Broker(self.state)
        self.anchor_program = self.folder / "anchor"

    def start(self) -> None:
        self.cluster.ensure()
        self.cluster.ensure_databases(DATABASES)
        self.broker.ensure(StepLog())
        self.compile_anchor()

    def close(self) -> None:
        self.broker.stop()
        self.cluster.stop()
        shutil.rmtree(postgres.home(self.state), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def compile_anchor(self) -> None:
        source = Path(__file__).with_name("anchor") / "anchor.c"
        command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(self.anchor_program), str(source), "-lrdkafka"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"the anchor does not compile:\n{result.stderr}", "apt-get install gcc librdkafka-dev")

    def renew_broker(self) -> None:
        """It keeps all records in memory and writes them all to disk again and again: runs begin with an empty one."""
        self.broker.stop()
        shutil.rmtree(self.broker.data, ignore_errors=True)
        self.broker.ensure(StepLog())

    # Programs

    def url(self, bus: str) -> str:
        """`kafka`, or the name of a database."""
        return f"kafka://{self.broker.address}" if bus == "kafka" else self.cluster.url(bus)

    def ours(self, mode: str, bus: str, prefix: str = "bench", **options: str | int) -> dict:
        options |= {"bus": self.url(bus), "prefix": prefix}
        return run([str(executable("bus-bench")), mode, *(f"{name}={value}" for name, value in options.items())])

    def anchor(self, mode: str, prefix: str, count: int, group: str | None = None) -> dict:
        settings = PRODUCER if mode == "produce" else CONSUMER
        return run([
            str(self.anchor_program), mode, self.broker.address, f"{prefix}.deployments", str(count),
            *([group] if group else []), *(f"{name}={value}" for name, value in settings.items()),
        ])

    # A log of many records

    def fill(self, database: str, count: int, group: str, prefix: str = "bench") -> None:
        """Leaves `count` records in the topic, all of them handled by `group`, and nothing else."""
        topic = f"{prefix}.deployments"
        first = self.cluster.psql(f"SELECT min(id) FROM partitions WHERE topic = '{topic}'", database).strip()
        script = FILL.replace("COUNT", str(count)).replace("FIRST", first).replace("TOPIC", topic)
        self.cluster.psql(script.replace("GROUP'", f"{prefix}.{group}'"), database)

    def without_wal(self, is_without: bool) -> None:
        """Whether tables that are filled in the transaction that empties them skip the write-ahead log."""
        for name, value in (("wal_level", "minimal"), ("max_wal_senders", "0")):
            change = f"SET {name} = {value}" if is_without else f"RESET {name}"
            self.cluster.psql(f"ALTER SYSTEM {change}", ADMIN)
        self.cluster.stop()
        self.cluster.ensure()


def run(command: list[str]) -> dict:
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PROGRAM_MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{Path(command[0]).name} {command[1]} did not end within {PROGRAM_MAX_SECONDS} s",
                      "run this again on a machine with nothing else to do") from error
    if result.returncode != 0:
        # Its arguments hold passwords and are not shown.
        raise Failure(f"{Path(command[0]).name} {command[1]} failed: {result.stderr.strip()[-2000:]}",
                      "read the lines above")
    return json.loads(result.stdout.strip().splitlines()[-1])
