# SPDX-License-Identifier: Apache-2.0
"""Deployments that are met in the midst of a stage, so that something can happen to them there."""

import signal
from contextlib import contextmanager, nullcontext

from .platform import FINAL
from .waiting import eventually

RECOVERY_MAX_SECONDS = 150


@contextmanager
def deployment_in(app, stage: str, version: str, note, held=None, instances: int = 1):
    """A push of a new version that is in the midst of that stage; afterwards the new version answers, or the old.

    `held` keeps it there from before the push until the body has ended.
    """
    old, before = app.version(), app.latest()["id"]
    app.set_version(version)
    with held or nullcontext():
        push = app.push_in_background(version)

        def has_come_to_the_stage() -> bool:
            latest = app.latest()
            if latest["id"] == before or latest["stage"] != stage:
                return latest["id"] != before and latest["state"] in FINAL
            # The engine is at work on a build once the hook is on its way.
            return stage != "build" or "sleep" in push.output

        eventually(f"the deployment is in {stage}", has_come_to_the_stage, 60, poll=0.02)
        met = app.latest()["stage"]
        yield
    ended = app.await_deployment(seconds=RECOVERY_MAX_SECONDS)
    push.join(60)
    note(f"met in {met}: {ended['state']}{': ' if ended['reason'] else ''}{ended['reason'] or ''}")
    if ended["state"] == "succeeded":
        app.await_version(version)
    else:
        assert ended["state"] == "failed" and ended["reason"], ended
        app.await_version(old)
    app.await_containers(instances)


@contextmanager
def paused(platform, name: str):
    """The process is there and does nothing."""
    process = platform.stack.processes[name]
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def assert_nothing_is_doubled(app) -> None:
    numbers = [deployment["number"] for deployment in app.deployments()]
    assert len(numbers) == len(set(numbers))
    assert all(deployment["state"] in FINAL for deployment in app.deployments())
