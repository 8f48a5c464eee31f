# SPDX-License-Identifier: Apache-2.0
"""A runner VM: a disk, a container engine and an agent of its own."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from slipway_local import recorded
from slipway_local.engine_api import Engine
from slipway_local.process_identity import is_running, start_ticks
from slipway_local.recorded import Recorded

from .commands import run
from .machine import Machine

ENGINE_START_MAX_SECONDS = 60
# Containers get their grace before the engine ends.
ENGINE_STOP_MAX_SECONDS = 60
DISK_BYTES = 4 << 30
# A full disk has less left than the last piece that was tried.
FIRST_PIECE_BYTES, LAST_PIECE_BYTES = 1 << 30, 4 << 10


class Vm(Machine):
    service = "runner"

    def __init__(self, stack, lan, number: int, zone: str, labels: dict[str, str]):
        super().__init__(stack, lan, f"vm-{number}", 100 + number)
        self.zone = zone
        self.labels = labels
        self.disk = self.folder / "disk"
        self.engine_process = Recorded(f"the engine of {self.name}", self.folder / "engine.started")
        self.engine = Engine(str(self.folder / "engine.sock"))
        # Called with the VM when its engine has been started or its disk has room again: it may lack images.
        self.catch_up: Callable[[Vm], None] = lambda _: None

    def settings(self) -> dict[str, str]:
        return {
            "ENGINE_SOCKET": self.engine.socket_path, "RUNNER_STATE": str(self.folder / "agent"),
            "RUNNER_ADDRESS": self.address, "RUNNER_NAME": self.name,
            # An agent that does not know of zones and labels does not look at these.
            "RUNNER_ZONE": self.zone,
            "RUNNER_LABELS": ",".join(f"{key}={value}" for key, value in self.labels.items()),
        }

    def log_files(self) -> list[Path]:
        return [*super().log_files(), self.folder / "engine.log"]

    def create(self) -> None:
        super().create()
        # Sparse: takes what is written to it.
        image = self.folder / "disk.img"
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        self.disk.mkdir()
        run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
        run("mount", "-o", "loop", str(image), str(self.disk))

    # Engine

    def start_engine(self) -> None:
        """Returns once it answers."""
        self.forget_containerd()
        command = [
            "dockerd", "--data-root", str(self.disk / "engine"), "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "engine.pid"), "--host", f"unix://{self.engine.socket_path}",
            "--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--cgroup-parent", self.group.containers, "--log-level", "error", "--log-opt", "max-size=10m",
            "--default-address-pool", "base=172.16.0.0/12,size=24",
        ]
        log = self.folder / "engine.log"
        self.engine_process.launch(self.command(*command), log, cwd="/")
        deadline = time.monotonic() + ENGINE_START_MAX_SECONDS
        while not self.engine.answers():
            if self.engine_process.record() is None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").splitlines()[-8:]
                raise AssertionError("\n".join([f"the engine of {self.name} did not start", *lines]))
            time.sleep(0.05)
        self.catch_up(self)

    def forget_containerd(self) -> None:
        """It ends with its engine; where the machine's init is slow to reap it, the next engine takes it for alive."""
        file = self.folder / "exec/containerd/containerd.pid"
        if file.exists():
            pid = int(file.read_text())
            if not is_running(pid, start_ticks(pid)):
                file.unlink()

    def engine_answers(self) -> bool:
        return not self.group.is_frozen() and self.engine.answers()

    def stop_engine(self) -> None:
        """In an orderly way, its containers before it."""
        recorded.stop([self.engine_process], ENGINE_STOP_MAX_SECONDS)

    def kill_engine(self) -> None:
        """The engine alone: its containers run on until it is started again and ends them."""
        recorded.kill([self.engine_process])

    def freeze_agent(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def thaw_agent(self) -> None:
        self.process.signal(signal.SIGCONT)

    def containers(self, label: str) -> list[dict]:
        return self.engine.containers(label)

    def boot(self) -> None:
        """After `crash`."""
        self.cable.heal()
        self.start_engine()
        self.start()

    def repair(self) -> None:
        self.thaw()
        self.thaw_agent()
        self.empty_disk()
        if self.engine_process.record() is None:
            self.start_engine()
        super().repair()

    # Disk

    def fill_disk(self, leave_bytes: int = 0) -> None:
        """Until little more than `leave_bytes` are free."""
        piece, end = FIRST_PIECE_BYTES, 0
        with open(self.filler, "ab") as file:
            while piece >= LAST_PIECE_BYTES:
                space = os.statvfs(self.disk)
                try:
                    if space.f_bavail * space.f_frsize - piece < leave_bytes:
                        raise OSError(errno.ENOSPC, "as full as it is to be")
                    os.posix_fallocate(file.fileno(), end, piece)
                    end += piece
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2

    def empty_disk(self) -> None:
        if self.filler.exists():
            self.filler.unlink()
            self.catch_up(self)

    @property
    def filler(self) -> Path:
        return self.disk / "filler"
