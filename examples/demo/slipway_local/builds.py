# SPDX-License-Identifier: Apache-2.0
"""Builds the executables with the Swift package manager."""

import os
import subprocess

from .processes import folder
from .state import CHECKOUT
from .steps import Failure, StepLog


def ensure(log: StepLog) -> None:
    if "SLIPWAY_BIN" in os.environ:
        with log.step(f"executables from {folder()}"):
            return
    is_first = not (CHECKOUT / ".build" / "debug").exists()
    with log.step("building" + (" (the first time takes about ten minutes)" if is_first else ""), live=True):
        try:
            result = subprocess.run(["swift", "build"], cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError as error:
            raise Failure(
                "`swift` is not on the PATH", "install a Swift 6.3 toolchain and add its usr/bin to PATH") from error
        if result.returncode != 0:
            raise Failure("the build failed", "read the compiler's messages above")
