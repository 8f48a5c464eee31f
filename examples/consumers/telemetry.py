# SPDX-License-Identifier: Apache-2.0
"""Turns deployments, builds and logs into metrics: a consumer of Slipway's events with a Kafka client.

  telemetry.py --brokers HOST:PORT --cloudspace NAME [--textfile FILE]

Prints a line for each deployment and build that ends. FILE gets all metrics in Prometheus' text format, as the
node exporter's textfile collector reads it. Metrics begin at zero when the program starts, which Prometheus knows of
counters; the file is left as it is until there is one.
"""

import argparse
import os
from collections import Counter, OrderedDict
from pathlib import Path

import kafka_arguments
import kafka_source
from cloud_events import Event

TOPICS = ["deployments", "builds", "telemetry.logs"]
# Of so many events the ids are remembered, so that those that come again soon are not counted twice.
REMEMBERED_MAX = 100_000
DEPLOYMENTS_MAX = 10_000


class Bounded(OrderedDict):
    """Forgets its oldest entries."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def __setitem__(self, key, value) -> None:
        super().__setitem__(key, value)
        if len(self) > self.limit:
            self.popitem(last=False)


class Metrics:
    def __init__(self) -> None:
        self.values: Counter[str] = Counter()
        self.seen = Bounded(REMEMBERED_MAX)
        self.began = Bounded(DEPLOYMENTS_MAX)

    def observe(self, event: Event) -> str | None:
        """A line for people, when there is something to tell. Other types and versions are passed over."""
        if event.id in self.seen:
            return None
        self.seen[event.id] = True
        data = event.data
        match event.type:
            case "deployment.progressed.v1":
                self.began.setdefault(data["deployment"], event.time)
            case "deployment.succeeded.v1" | "deployment.failed.v1":
                return self.end_deployment(event, "succeeded" if "succeeded" in event.type else "failed")
            case "build.succeeded.v1":
                seconds, reused = data["durationMilliseconds"] / 1000, str(data["wasReused"]).lower()
                self.add_duration("slipway_build_duration_seconds", f'reused="{reused}"', seconds)
                return f"build {data['build']} succeeded after {seconds:.3f} s, {data['imageBytes']} bytes"
            case "build.failed.v1":
                self.add("slipway_builds_failed_total", "", 1)
                return f"build {data['build']} failed"
            case "telemetry.log-lines.v1":
                labels = f'environment="{data["environment"]}",source="{data["source"]}"'
                self.add("slipway_log_lines_total", labels, len(data["lines"]))
                self.add("slipway_log_lines_dropped_total", labels, data["dropped"])
        return None

    def end_deployment(self, event: Event, result: str) -> str:
        data = event.data
        labels = f'environment="{data["environment"]}",result="{result}"'
        self.add("slipway_deployments_total", labels, 1)
        began = self.began.pop(data["deployment"], None)
        line = f"deployment {data['deployment']} of {data['environment']} {result}"
        if began is None:  # Its beginning was before this program's.
            return line
        seconds = (event.time - began).total_seconds()
        self.add_duration("slipway_deployment_duration_seconds", labels, seconds)
        return f"{line} after {seconds:.3f} s"

    def add_duration(self, name: str, labels: str, seconds: float) -> None:
        self.add(f"{name}_sum", labels, seconds)
        self.add(f"{name}_count", labels, 1)

    def add(self, name: str, labels: str, amount: float) -> None:
        self.values[f"{name}{{{labels}}}" if labels else name] += amount

    def text(self) -> str:
        return "".join(f"{name} {value}\n" for name, value in sorted(self.values.items()))


def write(path: Path, text: str) -> None:
    """Replaced whole: whoever reads it meanwhile sees the old metrics or the new ones."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Turns deployments, builds and logs into metrics.")
    kafka_arguments.add_arguments(parser, group="telemetry")
    parser.add_argument("--textfile", type=Path, help="file for the metrics in Prometheus' text format")
    arguments = parser.parse_args()
    metrics = Metrics()
    for events in kafka_source.batches(arguments, TOPICS):
        for event in events:
            try:
                line = metrics.observe(event)
            except (KeyError, TypeError) as error:
                line = f"passed over {event.place}: {event.type} {event.id}: {error!r}"
            if line:
                print(line, flush=True)
        # What an earlier run wrote stays until there is something to say.
        if arguments.textfile and metrics.values:
            write(arguments.textfile, metrics.text())


if __name__ == "__main__":
    main()
