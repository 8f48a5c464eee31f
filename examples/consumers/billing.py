# SPDX-License-Identifier: Apache-2.0
"""Sums up what each organisation has used: a consumer of Slipway's events with a Kafka client.

  billing.py run --brokers HOST:PORT --cloudspace NAME --ledger FILE     until SIGTERM
  billing.py totals --ledger FILE                                        one JSON line per organisation
"""

import argparse
from pathlib import Path

import kafka_source
from ledger import Ledger

TOPICS = ["usage", "builds", "deployments", "environments"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Sums up what each organisation has used.")
    commands = parser.add_subparsers(dest="command", required=True)
    run, totals = commands.add_parser("run"), commands.add_parser("totals")
    kafka_source.add_arguments(run, group="billing")
    for command in (run, totals):
        command.add_argument("--ledger", type=Path, required=True, help="SQLite file")
    arguments = parser.parse_args()
    ledger = Ledger(arguments.ledger)
    if arguments.command == "totals":
        print(ledger.totals(), end="")
        return
    for events in kafka_source.batches(arguments, TOPICS):
        ledger.write(events)


if __name__ == "__main__":
    main()
