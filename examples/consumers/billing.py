# SPDX-License-Identifier: Apache-2.0
"""Sums up what each organisation has used: a consumer of Slipway's events with a Kafka client.

  billing.py run --brokers HOST:PORT --cloudspace NAME --ledger FILE     until SIGTERM
  billing.py totals --ledger FILE                                        one JSON line per organisation
"""

import argparse
import sqlite3
import sys
from pathlib import Path

import kafka_arguments
from ledger import Ledger, print_totals

TOPICS = ["usage", "builds", "deployments", "environments"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Sums up what each organisation has used.")
    commands = parser.add_subparsers(dest="command", required=True)
    run, totals = commands.add_parser("run"), commands.add_parser("totals")
    kafka_arguments.add_arguments(run, group="billing")
    for command in (run, totals):
        command.add_argument("--ledger", type=Path, required=True, help="SQLite file")
    arguments = parser.parse_args()
    try:
        if arguments.command == "totals":
            print_totals(arguments.ledger)
        else:
            read(arguments)
    except sqlite3.Error as error:
        sys.exit(f"ledger {arguments.ledger}: {error}")


def read(arguments: argparse.Namespace) -> None:
    # Only here: the totals need no Kafka client.
    import kafka_source
    ledger = Ledger(arguments.ledger)
    for events in kafka_source.batches(arguments, TOPICS):
        ledger.write(events)


if __name__ == "__main__":
    main()
