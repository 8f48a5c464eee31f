# SPDX-License-Identifier: Apache-2.0
"""Requests to an app by its hostname through the ingress, whatever the resolver knows of that name."""

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def request(url: str, method: str = "GET", body: bytes | str | None = None, headers: dict | None = None,
            timeout: float = 10, address: str | None = None) -> Answer:
    """Names under localhost are this machine (RFC 6761): the connection goes to 127.0.0.1, the name into Host.

    With an `address` it goes there, whatever the name.
    """
    parts = urlsplit(url)
    host = address or ("127.0.0.1" if (parts.hostname or "").endswith("localhost") else parts.hostname)
    connection = http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers={"Host": parts.netloc} | (headers or {}))
        answer = connection.getresponse()
        fields = {key.lower(): value for key, value in answer.getheaders()}
        return Answer(answer.status, fields, answer.read())
    finally:
        connection.close()
