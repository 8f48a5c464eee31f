# SPDX-License-Identifier: Apache-2.0
"""A platform whose apps run on several VMs, behind several ingress nodes.

Postgres, bus, panel, controller, builder and services API run on this machine, which has an address in the fleet's
network; so does the builder's engine. Everything else has a machine of its own. Memory and processors are not divided:
each VM reports all that this machine has.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import stack as launcher
from slipway_local import images
from slipway_local.http_check import Answer, request
from slipway_local.processes import NAMES
from slipway_local.steps import StepLog

from .. import bus
from ..load import Load
from ..platform import Client, Platform
from . import leftovers
from .delivery import Delivery
from .ingress import IngressNode
from .lan import Lan
from .machine import Machine
from .vm import Vm

ON_MACHINES = ("runner", "ingress")
ZONES = ("a", "b", "c")


def obstacle() -> str | None:
    """Why there can be no fleet here."""
    missing = [tool for tool in ("ip", "iptables", "nsenter", "mkfs.ext4", "dockerd") if not shutil.which(tool)]
    if os.geteuid() != 0:
        return "network namespaces need root"
    return f"not installed: {', '.join(missing)}" if missing else None


class Fleet(Platform):
    """VMs are spread over three zones and have the label disk=ssd or, every second one, disk=hdd."""

    def __init__(self, vms: int = 3, ingress_nodes: int = 2):
        leftovers.clear_orphans()
        super().__init__()
        self.digest = self.state.digest
        self.lan = Lan(self.digest)
        self.counts = (vms, ingress_nodes)
        self.vms: list[Vm] = []
        self.nodes: list[IngressNode] = []
        self.delivery: Delivery | None = None
        self.visits = 0

    @property
    def machines(self) -> list[Machine]:
        return [*self.vms, *self.nodes]

    # Up and down

    def up(self) -> None:
        leftovers.record(self.digest, self.folder, self.guard.pid)
        self.lan.create()
        with self.state.locked():
            self.stack = launcher.prepare(self.state, StepLog(), self.lan.address)
            self.stack.names = [name for name in NAMES if name not in ON_MACHINES]
            self.make_machines()
            self.delivery = Delivery(self.folder, self.engine, self.vms)
            self.relay = self.delivery.relay
            self.relay.restore()
            self.stack.engine_path = str(self.relay.path)
            with ThreadPoolExecutor(1) as beside:
                booting = beside.submit(self.boot_engines)
                launcher.run(self.stack, StepLog())
                with StepLog().step("engines and base image"):
                    booting.result()
        self.bus = bus.attach(self)
        for machine in self.machines:
            machine.start()
        self.client = Client(self.stack)
        self.client.ensure_login()
        with StepLog().step(f"agents of {len(self.vms)} VMs, {len(self.nodes)} ingress nodes"):
            for machine in self.machines:
                machine.await_ready()

    def make_machines(self) -> None:
        vms, nodes = self.counts
        for number in range(1, vms + 1):
            labels = {"disk": "ssd" if number % 2 else "hdd"}
            self.vms.append(Vm(self.stack, self.lan, number, ZONES[(number - 1) % len(ZONES)], labels))
        self.nodes = [IngressNode(self.stack, self.lan, number) for number in range(1, nodes + 1)]
        for machine in self.machines:
            machine.create()

    def boot_engines(self) -> None:
        """And the base image to all of them, which takes longer than the engines themselves."""
        with ThreadPoolExecutor(len(self.vms)) as pool:
            list(pool.map(Vm.start_engine, self.vms))
        for vm in self.vms:
            vm.catch_up = self.delivery.catch_up
        self.delivery.deliver(self.engine.image(images.DEFAULT[0])["Id"])

    def down(self) -> None:
        # What fails here is left to the guard: it finds the fleet by its record, which goes last.
        leftovers.power_off(self.digest, self.folder)
        super().down()
        leftovers.unplug(self.digest)

    def remains(self) -> list[str]:
        return leftovers.remains(self.digest)

    def ensure_all_run(self) -> None:
        """Undoes everything that was done to it."""
        super().ensure_all_run()
        for machine in self.machines:
            machine.repair()
        for machine in self.machines:
            machine.await_ready()

    def logs(self) -> dict[str, Path]:
        found = super().logs()
        for machine in self.machines:
            found |= {f"{machine.name} {file.stem}": file for file in machine.log_files() if file.exists()}
        return found

    # What the platform knows of the machines

    def heartbeat_age(self, vm: Vm) -> float:
        """How many seconds ago the controller has heard of it last."""
        return float(self.stack.platform.psql(
            "SELECT extract(epoch FROM now() - (observed->>'heartbeatAt')::timestamptz) FROM hosts"
            f" WHERE observed->>'name' = '{vm.name}'", "controller"))

    # What visitors and the engines see

    def visit(self, url: str, node: IngressNode | None = None, **arguments) -> Answer:
        """Through that node, or each in turn."""
        self.visits += 1
        node = node or self.nodes[self.visits % len(self.nodes)]
        return request(url, address=node.address, **arguments)

    def load(self, app, per_second: float = 100, nodes: list[IngressNode] | None = None) -> Load:
        """Through all nodes, or those."""
        return Load(f"{app.url}/version", per_second, addresses=tuple(node.address for node in nodes or self.nodes))

    def containers(self, label: str) -> list[dict]:
        """On the VMs whose engine answers; each says which one in `Vm`."""
        return [container | {"Vm": vm.name} for vm in self.vms if vm.engine_answers()
                for container in vm.containers(label)]
