# SPDX-License-Identifier: Apache-2.0
"""Reads topics as a member of a consumer group, and commits only what was dealt with."""

import argparse
import signal
import sys
from collections.abc import Iterator

from cloud_events import Event, NotAnEvent, from_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

BATCH_MAX = 200
WAIT_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser, group: str) -> None:
    parser.add_argument("--brokers", required=True, help="host:port, several separated by commas")
    parser.add_argument("--cloudspace", required=True, help="what the names of topics begin with")
    parser.add_argument("--group", default=group, help="consumer group, default %(default)s")
    parser.add_argument("--member", help="name of this process in the group, another one for each: started after a"
                                         " crash it has its partitions at once")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a librdkafka setting, such as security.protocol=SASL_SSL; may be repeated")


def batches(arguments: argparse.Namespace, topics: list[str]) -> Iterator[list[Event]]:
    """Events in batches, until SIGTERM or SIGINT. The offsets of a batch are committed when the next one is asked for.

    Who ends in between gets the batch again: at least once.
    """
    is_ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_ended.append(True))
    settings = dict(item.split("=", 1) for item in arguments.set)
    if arguments.member:
        settings["group.instance.id"] = arguments.member
    consumer = Consumer(settings | {
        "bootstrap.servers": arguments.brokers, "group.id": arguments.group, "enable.auto.commit": False,
        # A group that is new begins with the oldest event that is kept.
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([f"{arguments.cloudspace}.{topic}" for topic in topics])
    try:
        while not is_ended:
            messages = [message for message in consumer.consume(BATCH_MAX, WAIT_SECONDS) if is_usable(message)]
            if messages:
                yield [event for event in map(read, messages) if event]
                commit(consumer)
    finally:
        # Leaves the group, so that others need not wait for this member.
        consumer.close()


def is_usable(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    # The client goes on by itself: a topic that is not there yet, a broker that is away.
    print(f"{error.str()}, waiting", file=sys.stderr)
    return False


def read(message: Message) -> Event | None:
    try:
        return from_kafka(message)
    except NotAnEvent as error:
        # It would be the same next time: it is named and passed over.
        place = f"{message.topic()}/{message.partition()}/{message.offset()}"
        print(f"passed over {place}: {error}", file=sys.stderr)
        return None


def commit(consumer: Consumer) -> None:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # Partitions were given to another member, or the broker is away: the batch comes again.
        if error.args[0].code() != KafkaError._NO_OFFSET:
            print(f"not committed: {error.args[0].str()}", file=sys.stderr)
