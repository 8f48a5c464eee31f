# SPDX-License-Identifier: Apache-2.0
"""As much of the Kafka protocol as a gateway in front of a broker has to read and write."""

import struct
from dataclasses import dataclass

METADATA, FIND_COORDINATOR, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 3, 10, 17, 18, 36
# What holds addresses of brokers is offered in versions without tagged fields; version 60 asks for addresses in them.
VERSIONS_MAX = {METADATA: 8, FIND_COORDINATOR: 2}
NOT_OFFERED = {60}
SASL_VERSIONS = {SASL_HANDSHAKE: (0, 1), SASL_AUTHENTICATE: (0, 1)}
API_VERSIONS_MAX = 3

NO_ERROR, UNSUPPORTED_MECHANISM, ILLEGAL_SASL_STATE, UNSUPPORTED_VERSION, AUTHENTICATION_FAILED = 0, 33, 34, 35, 58


class Reader:
    """Reads fields one after another; `rest` is what is left."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def number(self, form: str) -> int:
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def bytes(self, length: int) -> bytes:
        value = self.data[self.at:self.at + max(length, 0)]
        self.at += len(value)
        return value

    def text(self) -> str:
        return self.bytes(self.number(">h")).decode()

    def rest(self) -> bytes:
        return self.data[self.at:]


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def blob(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


@dataclass
class Request:
    api: int
    version: int
    correlation: int
    client: str
    body: bytes
    frame: bytes

    @classmethod
    def parse(cls, frame: bytes) -> "Request":
        reader = Reader(frame)
        api, version, correlation = reader.number(">h"), reader.number(">h"), reader.number(">i")
        return cls(api, version, correlation, reader.text(), reader.rest(), frame)

    def answer(self, body: bytes) -> bytes:
        """Of the kinds that have a header without tags."""
        return struct.pack(">i", self.correlation) + body


def request(api: int, version: int, correlation: int, client: str, body: bytes = b"") -> bytes:
    return struct.pack(">hhi", api, version, correlation) + text(client) + body


def versions_of(answer: bytes) -> dict[int, tuple[int, int]]:
    """From a broker's answer of version 0 to what it was asked about its versions."""
    reader = Reader(answer)
    reader.number(">i")
    assert reader.number(">h") == NO_ERROR
    return {reader.number(">h"): (reader.number(">h"), reader.number(">h")) for _ in range(reader.number(">i"))}


def offered(broker: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    kept = {api: (low, min(high, VERSIONS_MAX.get(api, high))) for api, (low, high) in broker.items()
            if api not in NOT_OFFERED}
    return kept | SASL_VERSIONS | {API_VERSIONS: (0, API_VERSIONS_MAX)}


def versions_answer(version: int, versions: dict[int, tuple[int, int]]) -> bytes:
    """One asked in a version that is not known answers in version 0, so that the client learns which are (KIP-511)."""
    is_known = version <= API_VERSIONS_MAX
    version = version if is_known else 0
    entries = [struct.pack(">hhh", api, low, high) for api, (low, high) in sorted(versions.items())]
    head = struct.pack(">h", NO_ERROR if is_known else UNSUPPORTED_VERSION)
    if version < 3:
        listed = struct.pack(">i", len(entries)) + b"".join(entries)
        return head + listed + (struct.pack(">i", 0) if version > 0 else b"")
    # Lengths are one more than they say, and each structure ends with its number of tagged fields.
    assert len(entries) < 127
    listed = bytes([len(entries) + 1]) + b"".join(entry + b"\0" for entry in entries)
    return head + listed + struct.pack(">i", 0) + b"\0"


def handshake_answer(error: int, mechanisms: tuple[str, ...]) -> bytes:
    return struct.pack(">hi", error, len(mechanisms)) + b"".join(map(text, mechanisms))


def authenticate_answer(version: int, error: int, message: str | None = None, token: bytes = b"") -> bytes:
    """Version 1 says how long it is good for: for ever."""
    return struct.pack(">h", error) + text(message) + blob(token) + (struct.pack(">q", 0) if version >= 1 else b"")


def readdressed(api: int, version: int, answer: bytes, host: str, port: int) -> bytes:
    """The answer with another address in place of the brokers'."""
    reader = Reader(answer)
    address = text(host) + struct.pack(">i", port)
    if api == METADATA:
        reader.bytes(4 + (4 if version >= 3 else 0))
        head, count, brokers = answer[:reader.at], reader.number(">i"), b""
        for _ in range(count):
            brokers += struct.pack(">i", reader.number(">i")) + address
            reader.text(), reader.number(">i")
            if version >= 1:
                start = reader.at
                reader.text()
                brokers += answer[start:reader.at]
        return head + struct.pack(">i", count) + brokers + reader.rest()
    assert api == FIND_COORDINATOR
    reader.bytes(4 + (4 if version >= 1 else 0) + 2)
    if version >= 1:
        reader.text()
    node = reader.number(">i")
    head = answer[:reader.at]
    # Without a coordinator there is no address either.
    if node < 0:
        return answer
    return head + address
