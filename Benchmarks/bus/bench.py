# SPDX-License-Identifier: Apache-2.0
"""Measures the event bus: on Kafka beside a bare librdkafka loop in C in the same run, and embedded in Postgres.

Run by `make bench-bus`. Broker and Postgres are private ones in a folder that is removed at the end. BENCH_QUICK=1
measures less of everything, in a minute or two, for figures that are only about right.
"""

import os
import shutil
import signal
import statistics
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(CHECKOUT / "examples" / "demo"))

from slipway_local import packages  # noqa: E402
from slipway_local.processes import executable  # noqa: E402
from slipway_local.steps import Failure, StepLog  # noqa: E402

from servers import Servers  # noqa: E402

IS_QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
ROUNDS = 2 if IS_QUICK else 9
KAFKA_RECORDS = 40_000 if IS_QUICK else 100_000
LATENCY_EVENTS = 100 if IS_QUICK else 300
SUSTAINED_EVENTS = 60_000 if IS_QUICK else 300_000
SNAPSHOT_KEYS = 100_000
SNAPSHOT_ROUNDS = 1 if IS_QUICK else 3
GROWTH_EVENTS = 20_000 if IS_QUICK else 60_000
GROWTH_ROUNDS = 2 if IS_QUICK else 4
STORED_SMALL = 10_000
STORED_LARGE = 1_000_000 if IS_QUICK else 10_000_000
# A record with its headers and its place in the index, on disk, and some room beside.
STORED_BYTES = 1_800
AT_LEAST = {"kafka_ratio": 0.8, "embedded_events_s": 10_000}
# Two measurements of the same thing differ by some percent; growth with the logarithm of what is stored would be 2.
AT_MOST = {"kafka_cpu_ratio": 1.5, "kafka_p99_ms": 20, "embedded_p99_ms": 20, "outbox_p99_ms": 50,
           "embedded_growth": 1.1, "snapshot_100k_s": 2.0}
ALL = ["kafka_ratio", "kafka_cpu_ratio", "kafka_p99_ms", "embedded_p99_ms", "outbox_p99_ms", "embedded_events_s",
       "embedded_growth", "snapshot_100k_s"]


def section(text: str) -> None:
    print(f"\n{text}", flush=True)


def measure_kafka(servers: Servers) -> dict[str, float]:
    """The anchor and ours in turn, each on its own topic, alternating who begins."""
    section(f"Kafka: {KAFKA_RECORDS} records of 1 KiB, acks all, beside the same by librdkafka in C")
    taken: dict[tuple[str, str], list[dict]] = {}
    for number in range(ROUNDS + 1):
        servers.renew_broker()
        for who in ("anchor", "ours"):
            servers.ours("prepare", "kafka", prefix=who)
        order = ("anchor", "ours") if number % 2 else ("ours", "anchor")
        for mode in ("produce", "consume"):
            for who in order:
                if who == "anchor":
                    figures = servers.anchor(mode, who, KAFKA_RECORDS, "bench" if mode == "consume" else None)
                else:
                    group = {"group": "bench"} if mode == "consume" else {}
                    figures = servers.ours(mode, "kafka", prefix=who, count=KAFKA_RECORDS, **group)
                if number:
                    taken.setdefault((mode, who), []).append(figures)
                print(f"  {mode} {who:<7} {figures['rate']:9.0f}/s {figures['cpu_us']:6.2f} µs CPU each"
                      f"{'   (warm-up)' if not number else ''}", flush=True)

    def median(mode: str, who: str, figure: str) -> float:
        return statistics.median(figures[figure] for figures in taken[mode, who])

    ratios, cpu_ratios = [], []
    for mode in ("produce", "consume"):
        ours, anchors = (median(mode, who, "rate") for who in ("ours", "anchor"))
        ours_cpu, anchors_cpu = (median(mode, who, "cpu_us") for who in ("ours", "anchor"))
        ratios.append(ours / anchors)
        cpu_ratios.append(ours_cpu / anchors_cpu)
        print(f"  {mode}: Slipway {ours:.0f}/s, librdkafka {anchors:.0f}/s, ratio {ours / anchors:.2f}; "
              f"CPU {ours_cpu:.2f} µs and {anchors_cpu:.2f} µs, ratio {ours_cpu / anchors_cpu:.2f}")
    return {"kafka_ratio": round(min(ratios), 2), "kafka_cpu_ratio": round(max(cpu_ratios), 2)}


def measure_latency(servers: Servers) -> dict[str, float]:
    section(f"Idle: publish to handler in another client, {LATENCY_EVENTS} single events")
    taken = {bus: servers.ours("latency", bus, count=LATENCY_EVENTS) for bus in ("kafka", "bus")}
    for bus, figures in taken.items():
        print(f"  {name_of(bus):<9} {spread(figures)}", flush=True)
    section(f"Idle: state change committed to handled in another database, {LATENCY_EVENTS} single events")
    outboxes = {}
    for bus in ("kafka", "bus"):
        outboxes[bus] = servers.ours(
            "outbox", bus, count=LATENCY_EVENTS, database=servers.url("here"), elsewhere=servers.url("elsewhere"))
        print(f"  {name_of(bus):<9} {spread(outboxes[bus])}", flush=True)
    return {
        "kafka_p99_ms": round(taken["kafka"]["p99_ms"], 1), "embedded_p99_ms": round(taken["bus"]["p99_ms"], 1),
        "outbox_p99_ms": round(max(figures["p99_ms"] for figures in outboxes.values()), 1),
    }


def measure_snapshots(servers: Servers) -> dict[str, float]:
    section(f"A follower's first {SNAPSHOT_KEYS} keys of 1 KiB, until the mark")
    medians = []
    for bus in ("kafka", "bus"):
        filled = servers.ours("fill-states", bus, prefix="states", count=SNAPSHOT_KEYS)
        taken = [servers.ours("snapshot", bus, prefix="states", count=SNAPSHOT_KEYS) for _ in range(SNAPSHOT_ROUNDS)]
        medians.append(statistics.median(figures["seconds"] for figures in taken))
        memory = max(figures["peak_mb"] for figures in taken)
        print(f"  {name_of(bus):<9} {medians[-1]:.2f} s, at most {memory:.0f} MB in memory "
              f"(published at {filled['rate']:.0f}/s)", flush=True)
    return {"snapshot_100k_s": round(max(medians), 2)}


def measure_sustained(servers: Servers) -> dict[str, float]:
    section(f"Embedded: {SUSTAINED_EVENTS} events of 1 KiB, 4 partitions, 4 consumers, published and handled at once")
    figures = servers.ours("sustained", "bus", prefix="sustained", count=SUSTAINED_EVENTS, group="all")
    print(f"  {figures['rate']:.0f} events/s over {figures['seconds']:.0f} s "
          f"(published at {figures['publish_rate']:.0f}/s)", flush=True)
    return {"embedded_events_s": round(figures["rate"])}


def measure_growth(servers: Servers) -> dict[str, float]:
    """The same work on a short log and on a long one, in turn. The short one is made anew each time, to stay short."""
    section(f"Embedded: the cost of an event with {STORED_SMALL} and with {STORED_LARGE} stored")
    needed = STORED_LARGE * STORED_BYTES
    if shutil.disk_usage(servers.folder).free < needed:
        raise Failure(f"{servers.folder} has less than {needed / 1e9:.0f} GB left",
                      "make room, name another folder in TMPDIR, or measure less with BENCH_QUICK=1")
    for database in ("small", "large"):
        servers.ours("prepare", database)
    began = time.monotonic()
    servers.without_wal(True)
    servers.fill("large", STORED_LARGE, "growth")
    servers.without_wal(False)
    print(f"  {STORED_LARGE} records stored in {time.monotonic() - began:.0f} s", flush=True)
    costs: dict[str, list[float]] = {"small": [], "large": []}
    for number in range(GROWTH_ROUNDS + 1):
        servers.fill("small", STORED_SMALL, "growth")
        for database in ("small", "large") if number % 2 else ("large", "small"):
            figures = servers.ours("sustained", database, count=GROWTH_EVENTS, group="growth")
            cost = 1e6 / figures["rate"]
            if number:
                costs[database].append(cost)
            print(f"  {database:<6} {cost:6.1f} µs an event{'   (warm-up)' if not number else ''}", flush=True)
    small, large = (statistics.median(costs[database]) for database in ("small", "large"))
    print(f"  {small:.1f} µs with {STORED_SMALL} stored, {large:.1f} µs with {STORED_LARGE}: "
          f"{large / small:.2f} times as much")
    return {"embedded_growth": round(large / small, 2)}


def name_of(bus: str) -> str:
    return "Kafka" if bus == "kafka" else "embedded"


def spread(figures: dict) -> str:
    return f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms, at most {figures['max_ms']:.1f} ms"


def main() -> int:
    packages.ensure([*packages.RUN, "librdkafka-dev"], StepLog())
    executable("bus-bench")
    servers = Servers()
    figures: dict[str, float] = {}
    try:
        servers.start()
        for measure in (measure_kafka, measure_latency, measure_snapshots, measure_sustained, measure_growth):
            servers.renew_broker()
            figures |= measure(servers)
    finally:
        servers.close()
    section("Figure              measured    limit")
    for name in ALL:
        limit = f"≥ {AT_LEAST[name]}" if name in AT_LEAST else f"≤ {AT_MOST[name]}"
        print(f"{name:<18} {figures[name]:>9}    {limit}")
    missed = [name for name in ALL if figures[name] < AT_LEAST.get(name, 0)
              or figures[name] > AT_MOST.get(name, float("inf"))]
    print("\n" + (f"outside its limit: {', '.join(missed)}" if missed else "every figure is within its limit"))
    print("bench-bus: " + " ".join(f"{name}={figures[name]}" for name in ALL), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except Failure as failure:
        print(failure.show(), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
