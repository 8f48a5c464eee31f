# SPDX-License-Identifier: Apache-2.0
"""The bus of a stack, on Kafka, as its services find it behind a gateway that asks who they are."""

from pathlib import Path

from slipway_local.bus import CLUSTER_SETTINGS, Bus

from . import certificates, kafka_gateway
from .kafka_gateway import Gateway


class Authorities:
    """Who vouches for whom: the cluster's authority for its broker and its clients, another one for nobody here."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.cluster = certificates.authority(folder, "cluster-authority")
        self.other = certificates.authority(folder, "other-authority")
        self.client = certificates.issued(self.cluster, "slipway")
        self.alien = certificates.issued(self.other, "alien")
        address = f"subjectAltName=IP:{kafka_gateway.HOST}"
        broker = certificates.issued(self.cluster, "broker", address)
        elsewhere = certificates.issued(self.cluster, "elsewhere", "subjectAltName=DNS:elsewhere.example")
        self.tls = kafka_gateway.server_context(broker)
        self.mutual_tls = kafka_gateway.server_context(broker, self.cluster)
        self.elsewhere_tls = kafka_gateway.server_context(elsewhere)


class SecuredBus(Bus):
    def __init__(self, bus: Bus, gateway: Gateway, settings: dict[str, str]):
        super().__init__(bus.state, bus.platform)
        self.gateway = gateway
        self.secured = {CLUSTER_SETTINGS + name: str(value) for name, value in settings.items()}

    def url(self) -> str:
        return self.gateway.url

    def settings(self, service: str) -> dict[str, str]:
        return super().settings(service) | self.secured
