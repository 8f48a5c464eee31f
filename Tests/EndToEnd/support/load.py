# SPDX-License-Identifier: Apache-2.0
"""A steady load over keep-alive connections to the ingress on this machine; bounded in rate, connections and time."""

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

LOAD_MAX_SECONDS = 900
TIMEOUT_SECONDS = 10


@dataclass
class Answered:
    began: float
    ended: float
    body: str


class Load:
    """`with Load(url) as load: …`; then `load.failures` and `load.answers` tell what came of it."""

    def __init__(self, url: str, per_second: float = 100, connections: int = 8):
        self.parts = urlsplit(url)
        self.interval = connections / per_second
        self.answers: Counter[str] = Counter()
        self.history: list[Answered] = []
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(number * self.interval / connections,), daemon=True)
            for number in range(connections)
        ]

    def __enter__(self) -> "Load":
        self.started = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(TIMEOUT_SECONDS + 5)
        self.seconds = time.monotonic() - self.started

    @property
    def count(self) -> int:
        with self.lock:
            return sum(self.answers.values()) + len(self.failures)

    def seen(self, body: str) -> bool:
        with self.lock:
            return self.answers[body] > 0

    def steps_back(self, order: list[str]) -> list[str]:
        """Answers older than one that had arrived in full before their request was sent, on any connection."""
        ended = sorted(self.history, key=lambda answered: answered.ended)
        newest, seen, found = 0, 0, []
        for answered in sorted(self.history, key=lambda answered: answered.began):
            while ended[seen].ended <= answered.began:
                newest = max(newest, order.index(ended[seen].body))
                seen += 1
            if order.index(answered.body) < newest:
                found.append(f"at {answered.began - self.started:.3f} s: {answered.body} after {order[newest]}")
        return found

    def run(self, offset: float) -> None:
        connection = None
        due = time.monotonic() + offset
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            if time.monotonic() - self.started > LOAD_MAX_SECONDS:
                return
            # A late request is sent at once, and the next ones keep their times: the rate stays what it is.
            due = max(due + self.interval, time.monotonic() - 1)
            connection = self.request(connection)
        if connection:
            connection.close()

    def request(self, connection):
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.parts.port, timeout=TIMEOUT_SECONDS)
            began = time.monotonic()
            connection.request("GET", self.parts.path or "/", headers={"Host": self.parts.netloc})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            if 200 <= answer.status < 300:
                with self.lock:
                    self.answers[body] += 1
                    self.history.append(Answered(began, time.monotonic(), body))
            else:
                self.fail(f"{answer.status}: {body[:200]}")
            if answer.will_close:
                connection.close()
                return None
            return connection
        except (OSError, http.client.HTTPException) as error:
            self.fail(repr(error))
            if connection:
                connection.close()
            return None

    def fail(self, text: str) -> None:
        with self.lock:
            self.failures.append(f"at {time.monotonic() - self.started:.2f} s: {text}")
