# SPDX-License-Identifier: Apache-2.0
"""Reads topics as a member of a consumer group, and commits only what was dealt with."""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator

from cloud_events import Event, NotAnEvent, from_kafka, place
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

BATCH_MAX = 200
WAIT_SECONDS = 0.5
# While no broker is there the client finds so several times a second.
COMPLAINT_INTERVAL_SECONDS = 10
# Of the client's own log only what is critical: all else comes as an error, too.
LOG_LEVEL = 2


def batches(arguments: argparse.Namespace, topics: list[str]) -> Iterator[list[Event]]:
    """Events in batches, until SIGTERM or SIGINT. The offsets of a batch are committed when the next one is asked for.

    Who ends in between gets the batch again: at least once.
    """
    is_ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_ended.append(True))
    consumer = client(arguments)
    names = [f"{arguments.cloudspace}.{topic}" for topic in topics]
    member = f", member {arguments.member}" if arguments.member else ""
    tell(f"reading {', '.join(names)} from {arguments.brokers} as group {arguments.group}{member}")
    consumer.subscribe(names, on_assign=lambda _, partitions: tell(f"assigned {counted(partitions)}"),
                       on_revoke=lambda _, partitions: tell(f"gave back {counted(partitions)}"),
                       on_lost=lambda _, partitions: tell(f"lost {counted(partitions)}"))
    try:
        while not is_ended:
            messages = [message for message in consumer.consume(BATCH_MAX, WAIT_SECONDS) if is_usable(message)]
            if messages:
                yield [event for event in map(read, messages) if event]
                commit(consumer)
    finally:
        # Leaves the group, so that others need not wait for this member.
        consumer.close()


def client(arguments: argparse.Namespace) -> Consumer:
    settings = {"log_level": LOG_LEVEL, "error_cb": Complaints().hear} | dict(arguments.set)
    if arguments.member:
        settings["group.instance.id"] = arguments.member
    try:
        return Consumer(settings | {
            "bootstrap.servers": arguments.brokers, "group.id": arguments.group, "enable.auto.commit": False,
            # A group that is new begins with the oldest event that is kept.
            "auto.offset.reset": "earliest",
        })
    except KafkaException as error:
        sys.exit(f"the Kafka client does not take its settings (see --set): {error.args[0].str()}")


class Complaints:
    """The client's errors, at most one in an interval: it tries again by itself, but for fatal ones."""

    def __init__(self) -> None:
        self.next = 0.0

    def hear(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + COMPLAINT_INTERVAL_SECONDS
            tell(f"{error.str()}, trying again")


def counted(partitions: list[TopicPartition]) -> str:
    topics = Counter(partition.topic for partition in partitions)
    if not topics:
        return "no partitions"
    return "partitions: " + ", ".join(f"{count} of {topic}" for topic, count in sorted(topics.items()))


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def is_usable(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    # The client goes on by itself: a topic that is not there yet, a broker that is away.
    tell(f"{error.str()}, waiting")
    return False


def read(message: Message) -> Event | None:
    try:
        return from_kafka(message)
    except NotAnEvent as error:
        # It would be the same next time: it is named and passed over.
        tell(f"passed over {place(message)}: {error}")
        return None


def commit(consumer: Consumer) -> None:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # Partitions were given to another member, or the broker is away: the batch comes again.
        if error.args[0].code() != KafkaError._NO_OFFSET:
            tell(f"not committed: {error.args[0].str()}")
