# SPDX-License-Identifier: Apache-2.0
"""Removes everything of a stack: processes, containers, networks, images, clusters, engine, files."""

from concurrent.futures import ThreadPoolExecutor

from . import engine as engines
from . import images, postgres
from .engine_api import Engine, EngineError
from .processes import Stack
from .state import State
from .steps import StepLog, say

REMOVALS_AT_ONCE = 4


def down(state: State, log: StepLog) -> None:
    if not state.exists:
        say(f"Nothing to remove: {state.root} holds no stack.")
        return
    socket = state.data.get("engine")
    stack = Stack(state, socket or "", "127.0.0.1")
    with log.step("stopping the six processes"):
        stack.stop()
    left = stack.bus.stop()
    if left:
        say(left)
    engine = Engine(socket) if socket else None
    if engine and not engine.answers():
        say(f"The container engine at {socket} does not answer: what this stack has there stays there.")
    elif engine:
        with log.step("removing containers, networks and images") as step:
            step.note = remove_from(engine, state)
    if socket:
        with log.step("giving the container engine back") as step:
            step.note = "stopped and removed, ok" if engines.release(state) else "left running, ok"
    with log.step("stopping and removing the Postgres clusters"):
        postgres.remove_all(state)
    with log.step(f"removing {state.root}"):
        state.remove()
        state.data = {}


def remove_from(engine: Engine, state: State) -> str:
    label = f"slipway.cloudspace={state.cloudspace}"
    containers = engine.containers(label)
    with ThreadPoolExecutor(REMOVALS_AT_ONCE) as pool:
        list(pool.map(engine.remove_container, [container["Id"] for container in containers]))
    networks = engine.networks(label)
    for network in networks:
        engine.remove_network(network["Id"])
    made = engine.images(label)
    for image in made:
        engine.remove_image(image["Id"])
    # Base images and build steps are common to all stacks of an engine: the last one clears them away.
    if not engines.is_shared_with_others(state) and not engine.images("slipway.cloudspace"):
        remove_build_leftovers(engine)
        images.remove(engine)
    return f"{len(containers)} containers, {len(networks)} networks, {len(made)} images, ok"


def remove_build_leftovers(engine: Engine) -> None:
    """Steps of builds on our own base images: failed builds leave them without a name and without a label."""
    every = {image["Id"]: image for image in engine.images(every=True)}
    bases = {identifier for identifier, image in every.items() if images.LABEL in (image.get("Labels") or {})
             and any(tag in images.RECIPES for tag in image.get("RepoTags") or [])}

    def stands_on_a_base(identifier: str) -> bool:
        while identifier in every and identifier not in bases:
            identifier = every[identifier].get("ParentId") or ""
        return identifier in bases

    parents = {image.get("ParentId") for image in every.values()}
    leftovers = [identifier for identifier, image in every.items()
                 if identifier not in bases and identifier not in parents and stands_on_a_base(identifier)
                 and all(tag == "<none>:<none>" for tag in image.get("RepoTags") or [])]
    for identifier in leftovers:
        try:
            engine.remove_image(identifier, force=False)
        except EngineError:
            pass  # In use by someone else's container.
