# SPDX-License-Identifier: Apache-2.0
"""A complete Slipway on this machine, in one state folder.

  stack.py demo             everything of `up`, then deploy the guestbook and use it
  stack.py up               packages, engine, Postgres, base image, build, the six processes
  stack.py down             stop and remove all of it, data included
  stack.py status           what runs
  stack.py env              shell variables for the `slipway` command and for Docker's
  stack.py packages [test]  install the Debian packages that building and running need (and those of the tests)
  stack.py base-images [NAME…]
                            have the base images in the engine that answers
  stack.py with-servers -- COMMAND…
                            run a command with a Postgres server and a Kafka broker of its own, named in
                            SLIPWAY_TEST_POSTGRES and SLIPWAY_TEST_KAFKA; a cluster named there already is kept

The state folder is .slipway in the checkout, or SLIPWAY_STATE. SLIPWAY_BIN names the folder of the executables.
SLIPWAY_DEMO_BUS is postgres (default) or kafka: then a small broker is installed from PyPI and started, unless
SLIPWAY_DEMO_KAFKA names a cluster as host:port; SLIPWAY_BUS_KAFKA_… settings say how that one is spoken to.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from slipway_local import broker, builds, bus, demo, engine, images, keys, packages, postgres, teardown  # noqa: E402
from slipway_local.cli import Client  # noqa: E402
from slipway_local.engine_api import Engine  # noqa: E402
from slipway_local.processes import NAMES, Stack, started_folder  # noqa: E402
from slipway_local.state import State  # noqa: E402
from slipway_local.steps import Failure, StepLog, say  # noqa: E402


def up(state: State, log: StepLog) -> Stack:
    stack = prepare(state, log)
    run(stack, log)
    return stack


def prepare(state: State, log: StepLog, address: str | None = None) -> Stack:
    """Everything that the six processes need. At `address`, if given, other machines reach the bus and apps' databases.
    """
    packages.ensure(packages.RUN + ([] if "SLIPWAY_BIN" in os.environ else packages.BUILD), log)
    if engine.find() is None:
        packages.ensure(["docker.io"], log)
    state.create()
    bus.choose(state)
    container_engine = engine.ensure(state, log)
    stack = Stack(state, container_engine.socket_path, address or container_engine.gateway(), address or "127.0.0.1")
    with log.step("Postgres: one cluster for the platform, one for apps") as step:
        step.note = f"{stack.platform.ensure()}, {stack.tenants.ensure()}"
        stack.platform.ensure_databases(postgres.DATABASES + stack.bus.databases())
        keys.ensure(state)
    stack.bus.ensure(log)
    images.ensure(container_engine, images.DEFAULT, log)
    builds.ensure(log)
    return stack


def run(stack: Stack, log: StepLog) -> None:
    with log.step("panel, controller, builder, services, runner, ingress") as step:
        step.note = stack.ensure()


def run_demo(state: State, log: StepLog) -> None:
    demo.run(up(state, log), log)


def status(state: State) -> int:
    if not state.exists:
        say(f"No stack in {state.root}. `make demo` makes one.")
        return 1
    stack = Stack(state, state.data.get("engine", ""), "127.0.0.1")
    socket = state.data.get("engine")
    rows = [("engine", "answers" if socket and Engine(socket).answers() else "does not answer", socket or "")]
    rows += [(f"postgres {cluster.name}", "runs" if cluster.is_running() else "stopped", str(cluster.port))
             for cluster in (stack.platform, stack.tenants)]
    rows.append(stack.bus.status())
    for name in NAMES:
        code, text = stack.probe(name, "/readyz")
        record = stack.record(name)
        state_word = "ready" if code == 200 else "stopped" if record is None else f"not ready: {text.strip()}"
        rows.append((f"slipway-{name}", state_word, f"pid {record['pid']}" if record else ""))
    for name, word, detail in rows:
        say(f"{name:<20} {word:<12} {detail}")
    return 0 if all(stack.is_ready(name) for name in NAMES) else 1


def environment(state: State) -> None:
    if not state.exists:
        raise Failure(f"there is no stack in {state.root}", "run `make demo`")
    stack = Stack(state, state.data.get("engine", ""), "127.0.0.1")
    client = Client(stack)
    if not client.token_file().exists():
        raise Failure("there is no user yet", "run `make demo`")
    print(f"export SLIPWAY_URL={shlex.quote(stack.panel_url)}")
    # The shell reads the token when it evaluates this; what is printed holds no secret.
    print(f'export SLIPWAY_TOKEN="$(cat {shlex.quote(str(client.token_file()))})"')
    print(f'export PATH={shlex.quote(str(started_folder(state)))}:"$PATH"')
    print(f"export DOCKER_HOST={shlex.quote('unix://' + state.data['engine'])}")


def with_servers(command: list[str], log: StepLog) -> int:
    """Their data are worth nothing after the command: Postgres does not flush them to disk."""
    with tempfile.TemporaryDirectory(prefix="slipway-test-") as folder:
        os.chmod(folder, 0o711)
        state = State(folder + "/state")
        state.create()
        cluster, kafka = postgres.Cluster(state, "test"), broker.Broker(state)
        try:
            cluster.ensure(durable=False)
            values = {"SLIPWAY_TEST_POSTGRES": cluster.url(postgres.ADMIN)}
            if "SLIPWAY_TEST_KAFKA" not in os.environ:
                kafka.ensure(log)
                values["SLIPWAY_TEST_KAFKA"] = kafka.address
                # This broker does not wait in a rebalance for members that finish what they are at.
                values["SLIPWAY_TEST_KAFKA_HASTY"] = "1"
            return subprocess.run(command, env=os.environ | values, check=False).returncode
        finally:
            kafka.stop()
            cluster.stop()
            postgres.remove_all(state)


def main(arguments: list[str]) -> int:
    command, rest = (arguments or ["help"])[0], arguments[1:]
    log = StepLog()
    if command == "with-servers":
        rest = rest[1:] if rest[:1] == ["--"] else rest
        if not rest:
            raise Failure("with-servers needs a command", "stack.py with-servers -- COMMAND…")
        return with_servers(rest, log)
    if command == "packages":
        packages.ensure(packages.BUILD + packages.RUN + (packages.TEST if rest == ["test"] else []), log)
        if engine.find() is None:
            packages.ensure(["docker.io"], log)
        return 0
    state = State()
    if command == "base-images":
        found = engine.find()
        if found is None:
            raise Failure("no container engine answers", "run `make demo`, which starts one, or start your own")
        images.ensure(found, rest or images.DEFAULT, log)
        return 0
    if command == "status":
        return status(state)
    if command == "env":
        environment(state)
        return 0
    work = {"demo": run_demo, "up": up, "down": teardown.down}.get(command)
    if work is None or rest:
        print(__doc__)
        return 0 if command in ("help", "--help", "-h") else 64
    with state.locked():
        state.load()
        work(state, log)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(failure.show(), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nInterrupted. Run it again to go on, or `make demo-down` to remove everything.", file=sys.stderr)
        sys.exit(130)
