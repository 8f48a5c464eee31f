# SPDX-License-Identifier: Apache-2.0
"""The network of a fleet: a switch, and a cable from it to each machine that can be pulled or let through one way only.

The switch lies in a network namespace of its own: what passes it never meets the firewall of this machine, where
container engines drop what they do not know. This machine is plugged in as well and has the network's first address.
"""

import ipaddress
import json
import random
from pathlib import Path

from slipway_local.steps import Failure

from .commands import attempt, run

NAMESPACES = Path("/run/netns")
# Ranges that neither the engines' address pools nor machines at home commonly use.
NETWORKS = list(ipaddress.ip_network("10.64.0.0/10").subnets(new_prefix=24))
CHOICES_MAX = 50
BRIDGE = "switch"
UPLINK = "uplink"
# Own chains, so that healing a link removes its rules and nobody else's: table, built-in chain, direction.
CHAIN = "SLIPWAY-CUT"
HOOKS = {"in": ("raw", "PREROUTING", "-i", "-s"), "out": ("mangle", "POSTROUTING", "-o", "-d")}


class Lan:
    def __init__(self, digest: str):
        # Whatever belongs to a fleet is named after its digest: what a killed run left behind is found by name.
        self.prefix = f"slipway-{digest}"
        self.uplink = f"sw-{digest}"
        self.network: ipaddress.IPv4Network | None = None

    @property
    def namespace(self) -> str:
        return f"{self.prefix}-lan"

    @property
    def address(self) -> str:
        """Of this machine."""
        return self.machine_address(1)

    def machine_address(self, number: int) -> str:
        return str(self.network.network_address + number)

    def create(self) -> None:
        self.network = free_network()
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "add", "name", BRIDGE, "type", "bridge")
        run("ip", "-n", self.namespace, "link", "set", BRIDGE, "up")
        run("ip", "link", "add", self.uplink, "type", "veth", "peer", "name", UPLINK, "netns", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", UPLINK, "master", BRIDGE, "up")
        run("ip", "address", "add", f"{self.address}/{self.network.prefixlen}", "dev", self.uplink)
        run("ip", "link", "set", self.uplink, "up")

    def remove(self) -> None:
        remove(self.prefix, self.uplink)


def free_network() -> ipaddress.IPv4Network:
    taken = [ipaddress.ip_network(route["dst"]) for route in json.loads(run("ip", "-json", "-4", "route"))
             if route["dst"] != "default"]
    for network in random.SystemRandom().sample(NETWORKS, CHOICES_MAX):
        if not any(network.overlaps(other) for other in taken):
            return network
    raise Failure("no free network was found in 10.64.0.0/10", "see `ip route` for who has it")


def remove(prefix: str, uplink: str) -> None:
    """The namespaces of that name and all that lies in them; processes must have ended before."""
    for namespace in sorted(NAMESPACES.glob(f"{prefix}-*")):
        attempt("ip", "netns", "delete", namespace.name)
    # It goes with the switch, a moment later: a network of the same addresses may be made at once.
    attempt("ip", "link", "delete", uplink)


class Cable:
    """From the switch to one machine, whose namespace it makes."""

    def __init__(self, lan: Lan, name: str, number: int):
        self.lan = lan
        self.name = name
        self.address = lan.machine_address(number)
        self.namespace = f"{lan.prefix}-{name}"

    @property
    def path(self) -> Path:
        return NAMESPACES / self.namespace

    def create(self) -> None:
        switch, machine = self.lan.namespace, self.namespace
        run("ip", "netns", "add", machine)
        run("ip", "link", "add", "eth0", "netns", machine, "type", "veth", "peer", "name", self.name, "netns", switch)
        run("ip", "-n", switch, "link", "set", self.name, "master", BRIDGE, "up")
        run("ip", "-n", machine, "link", "set", "lo", "up")
        run("ip", "-n", machine, "address", "add", f"{self.address}/{self.lan.network.prefixlen}", "dev", "eth0")
        run("ip", "-n", machine, "link", "set", "eth0", "up")
        run("ip", "-n", machine, "route", "add", "default", "via", self.lan.address)
        for table, hook, _, _ in HOOKS.values():
            self.iptables(table, "-N", CHAIN)
            self.iptables(table, "-I", hook, "-j", CHAIN)

    def iptables(self, table: str, *arguments: str) -> None:
        run("nsenter", f"--net={self.path}", "iptables", "-w", "-t", table, *arguments)

    def cut(self) -> None:
        """Pulled: the machine sees that there is no carrier, everyone else that nobody answers."""
        run("ip", "-n", self.lan.namespace, "link", "set", self.name, "down")

    def cut_one_way(self, direction: str, peer: str | None = None) -> None:
        """Nothing passes `in` to the machine or `out` of it any more, from or to the address `peer` or anybody."""
        table, _, device, address = HOOKS[direction]
        self.iptables(table, "-A", CHAIN, device, "eth0", *([address, peer] if peer else []), "-j", "DROP")

    def heal(self) -> None:
        run("ip", "-n", self.lan.namespace, "link", "set", self.name, "up")
        for table, _, _, _ in HOOKS.values():
            self.iptables(table, "-F", CHAIN)
