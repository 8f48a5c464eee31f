# SPDX-License-Identifier: Apache-2.0
"""The one place where these tests wait."""

import http.client
import time

POLL_SECONDS = 0.05


def eventually(what: str, check, seconds: float = 60, poll: float = POLL_SECONDS):
    """The first true value that `check` gives; what it gave or raised last is in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = check()
            if value:
                return value
            last = repr(value)
        except (AssertionError, OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
            last = repr(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still not: {what}; last seen: {last[:1500]}")
        time.sleep(poll)
