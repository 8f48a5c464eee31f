# SPDX-License-Identifier: Apache-2.0
"""What the six services exchange events over: a database of the stack's Postgres, or a broker or cluster of Kafka's.

A stack keeps the bus it began with: what is on one bus is not on the other.
"""

import os

from .broker import Broker, answers
from .postgres import Cluster
from .state import State
from .steps import Failure, StepLog

POSTGRES, KAFKA = "postgres", "kafka"
DATABASE = "bus"
CLUSTER_SETTINGS = "SLIPWAY_BUS_KAFKA_"
CLUSTER_PASSWORD = CLUSTER_SETTINGS + "PASSWORD"


def wanted() -> dict | None:
    """What SLIPWAY_DEMO_BUS and SLIPWAY_DEMO_KAFKA ask for; `None` when they are silent."""
    kind, cluster = os.environ.get("SLIPWAY_DEMO_BUS", ""), os.environ.get("SLIPWAY_DEMO_KAFKA", "")
    if kind not in ("", POSTGRES, KAFKA):
        raise Failure(f"the bus {kind!r} is not known", f"choose BUS={POSTGRES} or BUS={KAFKA}")
    if cluster and kind == POSTGRES:
        raise Failure("BUS=postgres and SLIPWAY_DEMO_KAFKA contradict each other", "leave one of them out")
    if cluster:
        return {"kind": KAFKA, "cluster": cluster}
    return {"kind": kind} if kind else None


def choose(state: State) -> None:
    """Settles which bus the stack has.

    A new stack has what is asked for, otherwise Postgres; an existing one is refused another than it has.
    """
    asked, present = wanted(), state.data.get("bus")
    if present is None:
        present = {"kind": POSTGRES} if "ports" in state.data else asked or {"kind": POSTGRES}
        state.data["bus"] = present
        state.save()
    if asked and asked != present:
        raise Failure(
            f"the stack in {state.root} has its events on {shown(present)}, and {shown(asked)} is asked for: "
            "what is on one bus is not on the other",
            f"`make demo-down` first, which removes the stack and its data; `make demo {repeated(present)}` goes on "
            "with the bus it has")


def shown(bus: dict) -> str:
    if bus["kind"] == POSTGRES:
        return "Postgres"
    return f"the Kafka cluster {bus['cluster']}" if "cluster" in bus else "a Kafka broker of its own"


def repeated(bus: dict) -> str:
    return f"SLIPWAY_DEMO_KAFKA={bus['cluster']}" if "cluster" in bus else f"BUS={bus['kind']}"


class Bus:
    def __init__(self, state: State, platform: Cluster):
        self.state = state
        self.platform = platform
        chosen = state.data.get("bus", {})
        self.kind = chosen.get("kind", POSTGRES)
        self.cluster: str | None = chosen.get("cluster")
        self.broker = Broker(state, platform.address)

    @property
    def address(self) -> str:
        """Where Kafka clients begin."""
        return self.cluster or self.broker.address

    def url(self) -> str:
        if self.kind == KAFKA:
            return f"kafka://{self.address}"
        return self.platform.url(DATABASE, address=self.platform.address)

    def settings(self, service: str) -> dict[str, str]:
        """What a service needs besides the URL. Of a cluster of one's own: how it is spoken to, from the environment;
        the password by file. A broker of the stack is told who is who: it does not notice members that were killed."""
        if not self.cluster:
            return {CLUSTER_SETTINGS + "MEMBER": service} if self.kind == KAFKA else {}
        given = {key: value for key, value in os.environ.items() if key.startswith(CLUSTER_SETTINGS)}
        password = given.pop(CLUSTER_PASSWORD, None)
        if password:
            self.state.write_secret("bus.kafka.password", password)
            given[CLUSTER_PASSWORD + "_FILE"] = str(self.state.secret_file("bus.kafka.password"))
        return given

    def databases(self) -> list[str]:
        return [DATABASE] if self.kind == POSTGRES else []

    def ensure(self, log: StepLog) -> None:
        if self.kind == POSTGRES:
            return
        if self.cluster:
            with log.step(f"Kafka cluster {self.cluster}"):
                self.check_cluster()
            return
        note = self.broker.ensure(log)
        with log.step("Kafka broker") as step:
            step.note = f"{note}, {self.address}"

    def check_cluster(self) -> None:
        first = self.cluster.split(",")[0]
        host, _, port = first.rpartition(":")
        if not host or not port.isdigit():
            raise Failure(f"SLIPWAY_DEMO_KAFKA is {self.cluster!r}", "name host:port, several separated by commas")
        # Behind TLS nothing answers in the clear: then the services say what they find.
        if not self.settings("") and not answers(host.strip("[]"), int(port)):
            raise Failure(f"no Kafka broker answers at {first}", "start the cluster, or put SLIPWAY_DEMO_KAFKA right")

    def status(self) -> tuple[str, str, str]:
        if self.kind == POSTGRES:
            return "bus", "postgres", "database bus of the cluster platform"
        if self.cluster:
            return "bus", "kafka", self.cluster
        return "bus kafka", "runs" if self.broker.is_running() else "stopped", self.address

    def stop(self) -> str | None:
        """Ends the broker of the stack; says what stays on a cluster that belongs to someone else."""
        self.broker.stop()
        if not self.cluster:
            return None
        return f"Topics whose names begin with {self.state.cloudspace}. stay on the Kafka cluster {self.cluster}."
