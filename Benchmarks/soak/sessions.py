# SPDX-License-Identifier: Apache-2.0
"""Sessions of group members, which this broker never ends: a member that dies stays in its group for ever, and a group
that finds together anew waits for ever for one that died meanwhile. Kafka removes a member that has been silent for its
session time-out and does not wait longer; here that is done in the broker's stead, over its own protocol
(https://kafka.apache.org/protocol: DescribeGroups 0, LeaveGroup 0).

And how far the broker's log reaches (Metadata 0, ListOffsets 1).
"""

import socket
import struct
import time

LIST_OFFSETS, METADATA, LEAVE_GROUP, DESCRIBE_GROUPS = 2, 3, 13, 15
END = -1
ANSWER_MAX_SECONDS = 2
# KafkaLimits.sessionTimeout.
SESSION_SECONDS = 10.0
# A group that is not complete after this long is waiting for someone who does not come.
JOIN_SECONDS = 20.0
CHECK_SECONDS = 1.0
SETTLED = ("Stable", "Empty", "Dead")


class Sessions:
    def __init__(self, port: int, groups: list[str]):
        self.port = port
        self.groups = groups
        # Since when a client has not been heard of, by client id.
        self.silent: dict[str, float] = {}
        # Since when a group has not been complete.
        self.waiting: dict[str, float] = {}
        self.next_check = 0.0

    def fell_silent(self, client: str) -> None:
        self.silent.setdefault(client, time.monotonic())

    def speaks_again(self, client: str) -> None:
        self.silent.pop(client, None)

    def expire(self) -> None:
        """To be called all the time. Does nothing while the broker does not answer."""
        now = time.monotonic()
        if now < self.next_check:
            return
        self.next_check = now + CHECK_SECONDS
        gone = {client for client, since in self.silent.items() if now - since > SESSION_SECONDS}
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_MAX_SECONDS) as connection:
                for group in self.groups:
                    self.expire_in(group, gone, connection)
        except OSError:
            return
        for client in gone:
            self.silent.pop(client)

    def expire_in(self, group: str, gone: set[str], connection: socket.socket) -> None:
        state, members = describe(connection, group)
        now = time.monotonic()
        if state in SETTLED:
            self.waiting.pop(group, None)
            is_stuck = False
        else:
            is_stuck = now - self.waiting.setdefault(group, now) > JOIN_SECONDS
        for member, client in members:
            # Those who are alive are told that they are no member any more, and join again.
            if is_stuck or client in gone:
                ask(connection, LEAVE_GROUP, text(group) + text(member))
        if is_stuck:
            self.waiting.pop(group)


def describe(connection: socket.socket, group: str) -> tuple[str, list[tuple[str, str]]]:
    """The group's state, and member id and client id of each member."""
    answer = Reader(ask(connection, DESCRIBE_GROUPS, struct.pack(">i", 1) + text(group)))
    answer.number(">i")
    answer.number(">h")
    answer.text()
    state = answer.text()
    for _ in ("protocol type", "protocol"):
        answer.text()
    members = []
    for _ in range(answer.number(">i")):
        members.append((answer.text(), answer.text()))
        answer.text()
        for _ in ("subscription", "assignment"):
            answer.skip(answer.number(">i"))
    return state, members


def ends(port: int) -> list[int]:
    """The offset that the next record of each partition will have: sorted, without partitions that are empty."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_MAX_SECONDS) as connection:
        body = b""
        topics = partitions(connection)
        for topic, numbers in topics.items():
            body += text(topic) + struct.pack(">i", len(numbers))
            body += b"".join(struct.pack(">iq", number, END) for number in numbers)
        answer = Reader(ask(connection, LIST_OFFSETS, struct.pack(">ii", -1, len(topics)) + body, version=1))
        found = []
        for _ in range(answer.number(">i")):
            answer.text()
            for _ in range(answer.number(">i")):
                answer.number(">i")
                if answer.number(">h") != 0:
                    raise ConnectionError("the broker does not tell how far a partition reaches")
                answer.number(">q")
                found.append(answer.number(">q"))
    return sorted(end for end in found if end > 0)


def partitions(connection: socket.socket) -> dict[str, list[int]]:
    """The partitions of every topic."""
    answer = Reader(ask(connection, METADATA, struct.pack(">i", 0)))
    for _ in range(answer.number(">i")):
        answer.number(">i")
        answer.text()
        answer.number(">i")
    topics: dict[str, list[int]] = {}
    for _ in range(answer.number(">i")):
        answer.number(">h")
        numbers = topics[answer.text()] = []
        for _ in range(answer.number(">i")):
            answer.number(">h")
            numbers.append(answer.number(">i"))
            answer.number(">i")
            for _ in ("replicas", "in sync"):
                answer.skip(4 * answer.number(">i"))
    return topics


def ask(connection: socket.socket, key: int, body: bytes, version: int = 0) -> bytes:
    request = struct.pack(">hhi", key, version, 1) + text("soak") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    size, _ = struct.unpack(">ii", exactly(connection, 8))
    return exactly(connection, size - 4)


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the broker closed the connection")
        data += part
    return data


def text(value: str) -> bytes:
    return struct.pack(">h", len(value.encode())) + value.encode()


class Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def number(self, form: str) -> int:
        value, = struct.unpack_from(form, self.data, self.position)
        self.position += struct.calcsize(form)
        return value

    def skip(self, count: int) -> None:
        self.position += max(0, count)

    def text(self) -> str:
        count = self.number(">h")
        value = self.data[self.position:self.position + max(0, count)].decode()
        self.skip(count)
        return value
