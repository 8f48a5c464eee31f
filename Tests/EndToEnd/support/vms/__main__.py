# SPDX-License-Identifier: Apache-2.0
"""A fleet to play with: `cd Tests/EndToEnd && python3 -m support.vms [VMS [INGRESS_NODES]]`.

It brings a fleet up, pushes an app with an instance for each VM, and asks what shall befall which machine. At the end
of its input, or when it is interrupted, everything is removed.
"""

import cmd
import os
import shlex
import signal
import sys

from slipway_local.processes import folder
from slipway_local.steps import Failure

from .. import CHECKOUT
from ..load import Load
from ..platform import App
from .fleet import Fleet, obstacle
from .machine import Machine
from .vm import Vm

# What can be done to a machine by name, and to VMs alone.
DEEDS = {
    "start": Machine.start, "stop": Machine.stop, "kill": Machine.kill, "freeze": Machine.freeze, "thaw": Machine.thaw,
    "crash": Machine.crash, "cut": lambda machine: machine.cable.cut(), "heal": lambda machine: machine.cable.heal(),
    "deafen": lambda machine: machine.cable.cut_one_way("in"), "mute": lambda machine: machine.cable.cut_one_way("out"),
    "repair": lambda machine: machine.repair(),
}
VM_DEEDS = {
    "boot": Vm.boot, "start-engine": Vm.start_engine, "stop-engine": Vm.stop_engine, "kill-engine": Vm.kill_engine,
    "freeze-agent": Vm.freeze_agent, "thaw-agent": Vm.thaw_agent, "fill-disk": Vm.fill_disk,
    "empty-disk": Vm.empty_disk,
}
STATE_COLUMNS_MAX = 60
HELP = f"""
MACHINE DEED     for each machine: {' '.join(DEEDS)}
                 for VMs also: {' '.join(VM_DEEDS)}
status           what runs where
load PER_SECOND  a steady load through all ingress nodes; `load` alone says what came of it and ends it
push VERSION     deploys the app anew
env              how to look at it from another terminal
quit             removes everything
"""


class Prompt(cmd.Cmd):
    prompt = "fleet> "

    def __init__(self, fleet: Fleet, app: App):
        super().__init__()
        self.fleet = fleet
        self.app = app
        self.load: Load | None = None
        self.machines = {machine.name: machine for machine in fleet.machines}

    def onecmd(self, line: str) -> bool:
        """What goes wrong is said and is not the end."""
        try:
            return super().onecmd(line)
        except (AssertionError, Failure, OSError) as error:
            print(f"✗ {error}")
            return False

    def emptyline(self) -> bool:
        return False

    def default(self, line: str) -> bool:
        name, _, deed = line.partition(" ")
        machine = self.machines.get(name)
        action = DEEDS.get(deed) or (VM_DEEDS.get(deed) if isinstance(machine, Vm) else None)
        if machine is None or action is None:
            print(HELP)
        else:
            action(machine)
        return False

    def completenames(self, text: str, *_) -> list[str]:
        return [name for name in [*self.machines, "status", "load", "push", "env", "quit"] if name.startswith(text)]

    def completedefault(self, text: str, line: str, *_) -> list[str]:
        return [deed for deed in [*DEEDS, *VM_DEEDS] if deed.startswith(text)]

    def do_help(self, _: str) -> None:
        print(HELP)

    def do_status(self, _: str) -> None:
        containers = self.app.containers()
        for name, machine in self.machines.items():
            status, text = machine.probe() if machine.is_running() else (0, "stopped")
            own = [f"{item['Names'][0].lstrip('/')} {item['State']}" for item in containers if item["Vm"] == name]
            state = "ready" if status == 200 else text.strip()[:STATE_COLUMNS_MAX]
            print(f"{name:<10} {machine.address:<15} {state:<20} {' '.join(own)}")

    def do_load(self, rate: str) -> None:
        if self.load:
            self.load.__exit__()
            print(f"{self.load.count} requests, 99% within {self.load.slowest() * 1000:.0f} ms, "
                  f"{len(self.load.failures)} failed", *self.load.failures[:10], sep="\n  ")
            self.load = None
        if rate:
            self.load = self.fleet.load(self.app, float(rate)).__enter__()

    def do_push(self, version: str) -> None:
        self.app.set_version(version)
        self.app.commit(version)
        self.app.client.push(self.app.folder, show=print)

    def do_env(self, _: str) -> None:
        client = self.app.client
        print(f"curl --connect-to ::{self.fleet.nodes[0].address}: {self.app.url}/version")
        print(f"export SLIPWAY_URL={self.fleet.stack.panel_url} SLIPWAY_TOKEN=\"$(cat {client.token_file()})\"")
        print(f"export PATH={shlex.quote(str(folder()))}:\"$PATH\"; slipway status --app {self.app.reference}")
        for vm in self.fleet.vms:
            print(f"docker --host unix://{vm.engine.socket_path} ps     nsenter --net={vm.cable.path} bash")
        print(f"logs: {self.fleet.state.path('logs')} {self.fleet.state.path('vms')}/*/*.log")

    def do_quit(self, _: str) -> bool:
        return True

    do_EOF = do_quit


def main(arguments: list[str]) -> int:
    if reason := obstacle():
        print(f"There can be no fleet here: {reason}", file=sys.stderr)
        return 1
    if len(arguments) > 2 or not all(text.isdecimal() and int(text) for text in arguments):
        print(__doc__)
        return 64
    vms, nodes = (int(text) for text in [*arguments, *["3", "2"][len(arguments):]])
    os.chdir(CHECKOUT)
    fleet = Fleet(vms, nodes)
    try:
        fleet.up()
        app = fleet.new_app("tiny")
        app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + f"instances: {vms}\n")
        app.push_ok()
        prompt = Prompt(fleet, app)
        prompt.do_status("")
        print(HELP)
        prompt.cmdloop()
    except KeyboardInterrupt:
        print()
    finally:
        fleet.down()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
