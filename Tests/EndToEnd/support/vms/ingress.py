# SPDX-License-Identifier: Apache-2.0
"""An ingress node on a machine of its own."""

from .machine import Machine


class IngressNode(Machine):
    service = "ingress"

    def __init__(self, stack, lan, number: int):
        super().__init__(stack, lan, f"ingress-{number}", 10 + number)

    def settings(self) -> dict[str, str]:
        """All nodes have the port that the panel names in the URLs of apps."""
        listen = f"{self.address}:{self.stack.ingress_port}"
        return {"INGRESS_LISTEN": listen, "INGRESS_STATE": str(self.folder / "state")}
