# SPDX-License-Identifier: Apache-2.0
"""The event bus of a platform behind its services' backs: what lies on it, what somebody else puts there, its outages.

One class for each kind of bus, with the same methods.
"""

import json
import signal
import sys
import time
from contextlib import contextmanager

from slipway_local import python_packages, recorded
from slipway_local.bus import DATABASE, KAFKA
from slipway_local.state import CHECKOUT
from slipway_local.steps import StepLog

from .waiting import eventually

REQUIREMENTS = CHECKOUT / "examples" / "consumers" / "requirements.txt"
READ_MAX_SECONDS = 30
# From the broker's answer until what it has accepted is on disk, and a heartbeat later.
SAVE_MAX_SECONDS = 20


def consumers_environment():
    """The virtual environment of examples/consumers, as its README makes it."""
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    return python_packages.ensure(
        "consumers", lines, "the client of examples/consumers", "these tests cannot run without it", StepLog())


def partition_of(key: str, count: int) -> int:
    """FNV-1a, 32 bits, as the contract of the bus has it."""
    value = 2_166_136_261
    for byte in key.encode():
        value = (value ^ byte) * 16_777_619 & 0xFFFF_FFFF
    return value % count


def attach(platform):
    return (KafkaBus if platform.stack.bus.kind == KAFKA else PostgresBus)(platform)


class KafkaBus:
    # What can happen to it, by name.
    OUTAGES = ("ended", "killed", "frozen")

    def __init__(self, platform):
        self.platform = platform
        self.broker = platform.stack.bus.broker
        self.address = platform.stack.bus.address
        site_packages = str(python_packages.site_packages(consumers_environment()))
        if site_packages not in sys.path:
            sys.path.append(site_packages)

    def topic(self, name: str, cloudspace: str | None = None) -> str:
        return f"{cloudspace or self.platform.state.cloudspace}.{name}"

    def put(self, name: str, key: str, headers: dict[str, str], value: bytes) -> None:
        """A record as anybody with a Kafka client can publish it, in the partition of its key."""
        import confluent_kafka

        if len(value) > 1_000_000:
            self.set_topic(self.topic(name), "max.message.bytes", str(2 * len(value)))
        producer = confluent_kafka.Producer({"bootstrap.servers": self.address, "message.max.bytes": 100_000_000})
        count = len(producer.list_topics(self.topic(name), READ_MAX_SECONDS).topics[self.topic(name)].partitions)
        problems = []
        producer.produce(
            self.topic(name), value, key, partition_of(key, count), headers=headers,
            on_delivery=lambda error, _: problems.append(error))
        producer.flush(READ_MAX_SECONDS)
        assert problems == [None], problems

    def set_topic(self, topic: str, setting: str, value: str) -> None:
        from confluent_kafka import admin

        change = admin.ConfigEntry(setting, value, incremental_operation=admin.AlterConfigOpType.SET)
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic, incremental_configs=[change])
        client = admin.AdminClient({"bootstrap.servers": self.address})
        for result in client.incremental_alter_configs([resource]).values():
            result.result(READ_MAX_SECONDS)

    def create_topic(self, name: str, partitions: int, cloudspace: str, settings: dict[str, str] | None = None) -> None:
        from confluent_kafka import admin

        client = admin.AdminClient({"bootstrap.servers": self.address})
        topic = admin.NewTopic(self.topic(name, cloudspace), partitions, 1, config=settings or {})
        for result in client.create_topics([topic]).values():
            result.result(READ_MAX_SECONDS)

    def remove_topics(self, cloudspace: str) -> None:
        from confluent_kafka import admin

        client = admin.AdminClient({"bootstrap.servers": self.address})
        names = [name for name in client.list_topics(timeout=READ_MAX_SECONDS).topics
                 if name.startswith(f"{cloudspace}.")]
        for result in client.delete_topics(names).values() if names else []:
            result.result(READ_MAX_SECONDS)

    def topics(self) -> list[str]:
        from confluent_kafka import admin

        prefix = self.topic("")
        listed = admin.AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=READ_MAX_SECONDS).topics
        return [name.removeprefix(prefix) for name in listed if name.startswith(prefix)]

    def records(self, name: str) -> list[dict]:
        """Key, headers and value of everything that lies there now."""
        import confluent_kafka

        topic = self.topic(name)
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.address, "group.id": "nobody", "enable.auto.commit": False,
            "enable.partition.eof": True})
        try:
            partitions = consumer.list_topics(topic, READ_MAX_SECONDS).topics[topic].partitions
            consumer.assign([confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING)
                             for number in partitions])
            found, ended, deadline = [], set(), time.monotonic() + READ_MAX_SECONDS
            while len(ended) < len(partitions):
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
                message = consumer.poll(1)
                if message is None:
                    continue
                if message.error():
                    assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                    ended.add(message.partition())
                    continue
                headers = {key: (value or b"").decode(errors="replace") for key, value in message.headers() or []}
                key, value = message.key() or b"", message.value()
                found.append({
                    "key": key.decode(errors="replace"), "headers": headers,
                    "value": None if value is None else value.decode(errors="replace")})
            return found
        finally:
            consumer.close()

    def committed(self, group: str, name: str) -> int:
        """How many records of the topic the group has dealt with."""
        import confluent_kafka

        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": group})
        try:
            topic = self.topic(name)
            partitions = consumer.list_topics(topic, READ_MAX_SECONDS).topics[topic].partitions
            found = consumer.committed(
                [confluent_kafka.TopicPartition(topic, number) for number in partitions], READ_MAX_SECONDS)
            return sum(max(partition.offset, 0) for partition in found)
        finally:
            consumer.close()

    def everything(self) -> str:
        records = [record for topic in self.topics() for record in self.records(topic)]
        assert records
        return json.dumps(records, ensure_ascii=False) + self.broker.log.read_text(errors="replace")

    @contextmanager
    def outage(self, kind: str):
        if kind == "frozen":
            self.broker.process.signal(signal.SIGSTOP)
        elif kind == "killed":
            self.await_saved()
            recorded.kill([self.broker.process])
        else:
            self.broker.stop()
        try:
            yield
        finally:
            if kind == "frozen":
                self.broker.process.signal(signal.SIGCONT)
            self.broker.ensure(StepLog())

    def await_saved(self) -> None:
        """This broker writes to disk twice a second; what it has accepted since then it loses when it is killed."""
        self.platform.await_no_backlog()
        before = time.time()
        files = self.broker.data
        eventually("the broker has saved", lambda: any(
            path.stat().st_mtime > before for path in files.iterdir()), SAVE_MAX_SECONDS)

    def wrong_address(self, port: int) -> dict[str, str]:
        return self.url(f"kafka://127.0.0.1:{port}")

    def wrong_credentials(self) -> dict[str, str]:
        file = self.platform.folder / "wrong-password"
        file.write_text("wrong")
        return {"SLIPWAY_BUS_KAFKA_SASL": "SCRAM-SHA-256", "SLIPWAY_BUS_KAFKA_USERNAME": "nobody",
                "SLIPWAY_BUS_KAFKA_PASSWORD_FILE": str(file)}

    def url(self, url: str) -> dict[str, str]:
        file = self.platform.folder / "other-bus"
        file.write_text(url)
        return {"SLIPWAY_BUS_URL_FILE": str(file)}


class PostgresBus:
    OUTAGES = ("refused",)

    def __init__(self, platform):
        self.platform = platform
        self.cluster = platform.stack.platform

    def psql(self, script: str) -> str:
        return self.cluster.psql(script, DATABASE)

    def topic(self, name: str, cloudspace: str | None = None) -> str:
        return f"{cloudspace or self.platform.state.cloudspace}.{name}"

    def put(self, name: str, key: str, headers: dict[str, str], value: bytes) -> None:
        """A record as anybody with the password of the database can write it, in the partition of its key."""
        topic = literal(self.topic(name))
        count = int(self.psql(f"SELECT count(*) FROM partitions WHERE topic = {topic}"))
        self.psql(
            f"SELECT publish_events(ARRAY[{topic}], ARRAY[{partition_of(key, count)}], ARRAY[1], ARRAY[{literal(key)}],"
            f" ARRAY[{literal(lines_of(headers))}], ARRAY['\\x{value.hex()}'::bytea])")

    def create_topic(self, name: str, partitions: int, cloudspace: str) -> None:
        self.psql(f"INSERT INTO partitions (topic, partition) SELECT {literal(self.topic(name, cloudspace))}, number"
                  f" FROM generate_series(0, {partitions - 1}) AS number")

    def remove_topics(self, cloudspace: str) -> None:
        self.psql(f"DELETE FROM partitions WHERE topic LIKE {literal(cloudspace + '.%')}")

    def records(self, name: str) -> list[dict]:
        rows = self.psql(f"""
            SELECT json_build_array(key, headers, encode(value, 'hex'))
            FROM (SELECT partition_id, "offset", key, headers, value FROM events
                  UNION ALL SELECT partition_id, "offset", key, headers, value FROM states) AS records
            JOIN partitions ON id = partition_id WHERE topic = {literal(self.topic(name))}
            ORDER BY partition, "offset"
            """)
        return [
            {"key": key, "headers": dict(line.split(":", 1) for line in headers.splitlines()),
             "value": None if value is None else bytes.fromhex(value).decode(errors="replace")}
            for key, headers, value in map(json.loads, rows.splitlines())]

    def topics(self) -> list[str]:
        names = self.psql("SELECT DISTINCT topic FROM partitions").split()
        return [name.removeprefix(self.topic("")) for name in names if name.startswith(self.topic(""))]

    def everything(self) -> str:
        records = [record for topic in self.topics() for record in self.records(topic)]
        assert records
        return json.dumps(records, ensure_ascii=False)

    @contextmanager
    def outage(self, kind: str):
        assert kind in self.OUTAGES
        self.cluster.psql(
            f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false;\n"
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")
        try:
            yield
        finally:
            self.cluster.psql(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")

    def wrong_address(self, port: int) -> dict[str, str]:
        return self.url(self.cluster.url(DATABASE).replace(f":{self.cluster.port}/", f":{port}/"))

    def wrong_credentials(self) -> dict[str, str]:
        password = self.platform.state.secret(f"postgres.platform.{DATABASE}")
        return self.url(self.cluster.url(DATABASE).replace(password, "wrong"))

    def url(self, url: str) -> dict[str, str]:
        file = self.platform.folder / "other-bus"
        file.write_text(url)
        return {"SLIPWAY_BUS_URL_FILE": str(file)}


def lines_of(headers: dict[str, str]) -> str:
    """As the bus keeps them; those of these tests hold nothing that has to be escaped."""
    return "".join(f"{name}:{value}\n" for name, value in headers.items())


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
