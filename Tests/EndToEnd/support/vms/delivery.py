# SPDX-License-Identifier: Apache-2.0
"""How images get from the builder's engine to the engines of the VMs while there is no registry between them.

The builder talks to its engine through a relay. The last thing it does before it reports an image is to inspect it: the
inspection is held until every VM that can be reached has the image. Once images travel by a registry, this file goes.
"""

import http.client
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slipway_local.engine_api import Engine, EngineError

from ..engine_relay import EngineRelay
from .vm import Vm

INSPECTION = re.compile(rb"GET \S*/images/sha256(?::|%3[Aa])([0-9a-f]{64})/json ")
LOADS_AT_ONCE = 4


class Delivery:
    def __init__(self, folder: Path, source: Engine, vms: list[Vm]):
        self.folder = folder
        self.source = source
        self.vms = vms
        self.relay = EngineRelay(folder / "builders-engine.sock", source.socket_path, self.watch)
        self.lock = threading.Lock()
        # Everything that was delivered, for machines that were away.
        self.images: list[str] = []

    def watch(self, data: bytes) -> None:
        for digest in INSPECTION.findall(data):
            self.deliver("sha256:" + digest.decode())

    def deliver(self, image: str) -> None:
        """To every VM whose engine answers and that has not got it."""
        with self.lock:
            if self.source.image(image) is None:
                return
            if image not in self.images:
                self.images.append(image)
            lacking = [vm for vm in self.vms if lacks(vm, image)]
            self.carry(image, lacking)

    def catch_up(self, vm: Vm) -> None:
        """For a machine whose engine was away or is new."""
        with self.lock:
            for image in self.images:
                if lacks(vm, image):
                    self.carry(image, [vm])

    def carry(self, image: str, vms: list[Vm]) -> None:
        if not vms:
            return
        tar = self.folder / "image.tar"
        try:
            self.source.save_image(image, str(tar))
            with ThreadPoolExecutor(LOADS_AT_ONCE) as pool:
                list(pool.map(lambda vm: load(vm, str(tar)), vms))
        finally:
            tar.unlink(missing_ok=True)


def lacks(vm: Vm, image: str) -> bool:
    return vm.engine_answers() and vm.engine.image(image) is None


def load(vm: Vm, tar: str) -> None:
    try:
        vm.engine.load_image(tar)
    except (OSError, http.client.HTTPException, EngineError) as error:
        # A full disk, an engine that is killed meanwhile: whoever needs the image there will say that it is missing.
        print(f"{vm.name} did not get an image: {error}", flush=True)
