# SPDX-License-Identifier: Apache-2.0
"""A steady load over keep-alive connections to one or several ingress nodes; bounded in rate, connections and time.

Each request is kept with its times, so that a test can say how many failed, and how long after what.
"""

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

LOAD_MAX_SECONDS = 900
TIMEOUT_SECONDS = 10
THIS_MACHINE = ("127.0.0.1",)


@dataclass(frozen=True)
class Outcome:
    """Of one request. Times are those of `time.monotonic`; without an answer the status is 0 and the text says why."""

    began: float
    ended: float
    address: str
    status: int
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Load:
    """`with Load(url) as load: …`; then `load.failures` and `load.answers` tell what came of it.

    Its connections are shared out among the addresses, whose port is the URL's.
    """

    def __init__(self, url: str, per_second: float = 100, connections: int = 8,
                 addresses: tuple[str, ...] = THIS_MACHINE):
        self.parts = urlsplit(url)
        self.interval = connections / per_second
        self.outcomes: list[Outcome] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.threads = [
            threading.Thread(
                target=self.run, args=(addresses[number % len(addresses)], number * self.interval / connections),
                daemon=True)
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

    # What came of it

    @property
    def history(self) -> list[Outcome]:
        """In the order in which the requests ended."""
        with self.lock:
            return list(self.outcomes)

    @property
    def count(self) -> int:
        with self.lock:
            return len(self.outcomes)

    @property
    def answers(self) -> Counter[str]:
        """How often each body came."""
        return Counter(outcome.text for outcome in self.history if outcome.is_success)

    @property
    def failures(self) -> list[str]:
        return [f"at {outcome.ended - self.started:.2f} s, {outcome.address} after {outcome.seconds:.2f} s: "
                f"{outcome.status or 'no answer'}: {outcome.text}"
                for outcome in self.history if not outcome.is_success]

    def seen(self, body: str) -> bool:
        return self.answers[body] > 0

    def trouble_after(self, moment: float) -> float:
        """For how many seconds after that moment requests were still sent that failed; 0 when none failed."""
        return max((outcome.began - moment for outcome in self.history
                    if not outcome.is_success and outcome.ended > moment), default=0.0)

    def quiet_for(self) -> float:
        """Seconds since the last failed request ended."""
        ends = [outcome.ended for outcome in self.history if not outcome.is_success]
        return time.monotonic() - max(ends, default=self.started)

    def slowest(self, share: float = 0.99) -> float:
        """The seconds within which that share of the successful requests was answered."""
        times = sorted(outcome.seconds for outcome in self.history if outcome.is_success)
        return times[min(int(len(times) * share), len(times) - 1)] if times else 0.0

    def steps_back(self, order: list[str]) -> list[str]:
        """Answers older than one that had arrived in full before their request was sent, on any connection."""
        ended = [outcome for outcome in self.history if outcome.is_success]
        ended.sort(key=lambda outcome: outcome.ended)
        newest, seen, found = 0, 0, []
        for outcome in sorted(ended, key=lambda outcome: outcome.began):
            while ended[seen].ended <= outcome.began:
                newest = max(newest, order.index(ended[seen].text))
                seen += 1
            if order.index(outcome.text) < newest:
                found.append(f"at {outcome.began - self.started:.3f} s: {outcome.text} after {order[newest]}")
        return found

    # Requests

    def run(self, address: str, offset: float) -> None:
        connection = None
        due = time.monotonic() + offset
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            if time.monotonic() - self.started > LOAD_MAX_SECONDS:
                return
            # A late request is sent at once, and the next ones keep their times: the rate stays what it is.
            due = max(due + self.interval, time.monotonic() - 1)
            connection = self.request(address, connection)
        if connection:
            connection.close()

    def request(self, address: str, connection):
        began = time.monotonic()
        try:
            if connection is None:
                connection = http.client.HTTPConnection(address, self.parts.port, timeout=TIMEOUT_SECONDS)
            connection.request("GET", self.parts.path or "/", headers={"Host": self.parts.netloc})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            self.note(Outcome(began, time.monotonic(), address, answer.status, text[:200]))
            if answer.will_close:
                connection.close()
                return None
            return connection
        except (OSError, http.client.HTTPException) as error:
            self.note(Outcome(began, time.monotonic(), address, 0, repr(error)))
            if connection:
                connection.close()
            return None

    def note(self, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes.append(outcome)
