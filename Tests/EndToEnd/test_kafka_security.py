# SPDX-License-Identifier: Apache-2.0
"""The bus on a Kafka cluster that asks who is there: TLS, client certificates, SASL; and topics that are not ours.

The broker of these tests knows nothing of all that: a gateway stands before it and lets nobody through otherwise.
"""

import ctypes
import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from slipway_local import recorded
from support.connections import clients_of, peers_of
from support.kafka_gateway import MECHANISMS, PLAIN, SCRAM_256, SCRAM_512, Gateway
from support.platform import BUS, NAMES
from support.secrecy import assert_nowhere
from support.secured_bus import Authorities, SecuredBus
from support.waiting import eventually

pytestmark = pytest.mark.skipif(BUS != "kafka", reason="this is about Kafka's TLS and SASL")

USER = "slipway"
PASSWORD, WRONG, NEXT = "sentinel-8d1f60b3-right", "sentinel-8d1f60b3-wrong", "sentinel-8d1f60b3-next"
# The first librdkafka that does SCRAM as Kafka 4 wants it.
SCRAM_VERSION = 0x020601FF
REFUSAL_MAX_SECONDS = 20


@pytest.fixture(scope="module")
def authorities(platform):
    return Authorities(platform.folder / "certificates")


@pytest.fixture(scope="module")
def password_file(platform):
    file = platform.folder / "kafka-password"
    file.write_text(PASSWORD)
    return file


@pytest.fixture(scope="module")
def app(platform):
    app = platform.new_app("secured")
    app.push_ok("First version")
    yield app
    app.delete()


@pytest.fixture(scope="module")
def secured(platform):
    """Has the whole platform use its broker through a gateway; afterwards it goes there directly again."""
    own, gateways = platform.stack.bus, ExitStack()

    def secure(gateway: Gateway, settings: dict) -> Gateway:
        gateways.enter_context(gateway)
        platform.stack.stop()
        platform.stack.bus = SecuredBus(own, gateway, settings)
        platform.ensure_all_run()
        return gateway

    yield secure
    platform.stack.bus = own
    platform.stack.stop()
    gateways.close()
    platform.ensure_all_run()


def with_password(authorities, password_file, mechanism: str) -> dict:
    return {"TLS": "true", "CA": authorities.cluster.path, "SASL": mechanism, "USERNAME": USER,
            "PASSWORD_FILE": password_file}


def with_certificate(authorities) -> dict:
    return {"TLS": "true", "CA": authorities.cluster.path, "CERTIFICATE": authorities.client.path,
            "KEY": authorities.client.key}


# Deploys


@pytest.mark.parametrize("way", [*MECHANISMS, "client-certificate"])
def test_app_is_deployed_with_the_bus_behind(platform, app, authorities, password_file, secured, note, way):
    broker = platform.stack.bus.broker.port
    if way in MECHANISMS:
        gateway, settings = Gateway(broker, authorities.tls, {USER: PASSWORD}), with_password(
            authorities, password_file, way)
    else:
        gateway, settings = Gateway(broker, authorities.mutual_tls), with_certificate(authorities)
    before = clients_of(broker)
    secured(gateway, settings)
    app.set_version(way)
    app.push_ok(way)
    app.await_version(way)

    visits = gateway.admitted()
    assert {visit.client for visit in visits} == {f"slipway-{name}" for name in NAMES}
    who = (way, USER, None) if way in MECHANISMS else (None, None, "slipway")
    assert {(visit.mechanism, visit.user, visit.certificate) for visit in visits} == {who}
    assert {visit.tls for visit in visits} == {"TLSv1.3"}
    assert_nobody_goes_around(platform, gateway, before)
    note(f"{len(visits)} connections")


def assert_nobody_goes_around(platform, gateway: Gateway, before: set[int]) -> None:
    """As the kernel counts connections: those with the broker are the gateway's."""
    for name in NAMES:
        peers = peers_of(platform.stack.record(name)["pid"])
        assert gateway.port in peers and gateway.broker not in peers, name
    now = clients_of(gateway.broker)
    own = {visit.port for visit in gateway.visits}
    assert now & own and now - before - own == set()


def test_connection_that_goes_around_would_be_seen(platform, authorities):
    broker = platform.stack.bus.broker.port
    before = clients_of(broker)
    platform.bus.topics()
    assert clients_of(broker) - before


def assert_tells_no_password(platform, name: str) -> None:
    told = "".join(platform.stack.probe(name, path)[1] for path in ("/readyz", "/metrics"))
    for text in (told, platform.stack.log_file(name).read_text(errors="replace")):
        for password in (PASSWORD, WRONG, NEXT):
            assert password not in text, f"{name} tells a password"


# New passwords


def test_password_is_read_once_and_a_restart_takes_the_new_one(
        platform, app, authorities, password_file, secured):
    gateway = Gateway(platform.stack.bus.broker.port, authorities.tls, {USER: PASSWORD})
    secured(gateway, with_password(authorities, password_file, SCRAM_512))
    # Open connections stay.
    gateway.set_users({USER: NEXT})
    assert app.deploy({"kind": "redeploy"})["state"] == "succeeded"
    try:
        # New ones have the password that was read at the start, whatever the file says meanwhile.
        password_file.write_text(NEXT)
        gateway.cut()
        await_refusals(platform, "SLIPWAY_BUS_KAFKA_PASSWORD")
        assert app.version()
        # The cluster changes its mind: no restart is needed.
        gateway.set_users({USER: PASSWORD})
        for name in NAMES:
            platform.stack.await_ready(name)
        gateway.set_users({USER: NEXT})
        platform.stack.stop()
        platform.ensure_all_run()
        assert app.deploy({"kind": "redeploy"})["state"] == "succeeded"
    finally:
        password_file.write_text(PASSWORD)
        gateway.set_users({USER: PASSWORD})
    for name in NAMES:
        assert_tells_no_password(platform, name)


def await_refusals(platform, *expected: str) -> None:
    for name in NAMES:
        if name != "ingress":
            eventually(f"{name} says what is wrong", lambda name=name: says(platform, name, *expected),
                       REFUSAL_MAX_SECONDS)


def says(platform, name: str, *expected: str) -> bool:
    status, text = platform.stack.probe(name, "/readyz")
    # Without the bus the panel still serves Git and the API: it is ready, and says what it lacks.
    assert status == (200 if name == "panel" else 503), f"{status}: {text}"
    assert all(part in text for part in expected), text
    return True


# What does not fit


@dataclass
class Misfit:
    """A cluster and settings that do not go together, and what every service has to say of it."""

    name: str
    gateway: dict
    settings: dict
    expected: list[str]
    told: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


MISFITS = [
    "wrong-password", "wrong-authority", "wrong-host", "no-client-certificate", "alien-client-certificate",
    "mechanism-that-the-broker-lacks", "no-credentials", "no-tls", "tls-without-need", "scram-of-kafka-4",
]


def misfits(authorities, password_file, wrong_file) -> list[Misfit]:
    users = {USER: PASSWORD}
    tls, sasl = {"context": authorities.tls}, {"context": authorities.tls, "users": users}
    mutual = {"context": authorities.mutual_tls}
    fitting = with_password(authorities, password_file, SCRAM_512)
    only_tls = {"TLS": "true", "CA": authorities.cluster.path}
    alien = {"CERTIFICATE": authorities.alien.path, "KEY": authorities.alien.key}
    prefix = "SLIPWAY_BUS_KAFKA_"
    return [
        Misfit("wrong-password", sasl, fitting | {"PASSWORD_FILE": wrong_file},
               [f"credentials of user {USER} ({SCRAM_512})", prefix + "PASSWORD"]),
        Misfit("wrong-authority", sasl, fitting | {"CA": authorities.other.path},
               ["certificate of the broker", prefix + "CA"]),
        Misfit("wrong-host", sasl | {"context": authorities.elsewhere_tls}, fitting,
               ["certificate of the broker", "SLIPWAY_BUS_URL"]),
        Misfit("no-client-certificate", mutual, only_tls, ["asks for a client certificate", prefix + "CERTIFICATE"]),
        Misfit("alien-client-certificate", mutual, only_tls | alien,
               ["refused the certificate", prefix + "CERTIFICATE"]),
        Misfit("mechanism-that-the-broker-lacks", sasl | {"mechanisms": (PLAIN, SCRAM_256)}, fitting,
               [f"does not take {SCRAM_512}", prefix + "SASL", f"{PLAIN},{SCRAM_256}"]),
        Misfit("no-credentials", sasl, only_tls, ["credentials", prefix + "SASL", prefix + "PASSWORD"]),
        Misfit("no-tls", tls, {}, ["TLS does not fit", prefix + "TLS to true"]),
        Misfit("tls-without-need", {"context": None}, only_tls, ["TLS does not fit", prefix + "TLS"]),
        Misfit("scram-of-kafka-4", sasl | {"is_strict": True}, fitting, ["Kafka 4", "librdkafka has to be 2.6.1"]),
    ]


@pytest.fixture(scope="module")
def told(platform, authorities, password_file):
    """What each service says in each of these cases, while apps are served as before."""
    wrong_file = platform.folder / "wrong-kafka-password"
    wrong_file.write_text(WRONG)
    found = misfits(authorities, password_file, wrong_file)
    assert [misfit.name for misfit in found] == MISFITS
    own = platform.stack.bus
    platform.stack.stop()
    try:
        for misfit in found:
            with Gateway(own.broker.port, **misfit.gateway) as gateway:
                platform.stack.bus = SecuredBus(own, gateway, misfit.settings)
                ask(platform, misfit)
                # Not gracefully: there is nothing that they could still deliver.
                recorded.kill(list(platform.stack.processes.values()))
                assert not gateway.admitted(), f"{misfit}: somebody was let through"
    finally:
        platform.stack.bus = own
    return {misfit.name: misfit for misfit in found}


def ask(platform, misfit: Misfit) -> None:
    """Ends when each has said what is expected; what it says otherwise is for the test."""
    sizes = {}
    for name in NAMES:
        log = platform.stack.log_file(name)
        sizes[name] = log.stat().st_size if log.exists() else 0
        platform.stack.start(name)
    deadline = time.monotonic() + REFUSAL_MAX_SECONDS
    while len(misfit.told) < len(NAMES) and time.monotonic() < deadline:
        for name in NAMES:
            log = platform.stack.log_file(name).read_bytes()[sizes[name]:].decode(errors="replace")
            status, text = platform.stack.probe(name, "/readyz")
            # The ingress serves the last known routes: it is ready without the bus.
            told = log if name == "ingress" else text if status == 503 or name == "panel" else ""
            if all(part in told and part in log for part in misfit.expected):
                misfit.told[name] = told
        time.sleep(0.1)
    for name in NAMES:
        assert_tells_no_password(platform, name)


@pytest.mark.parametrize("name", MISFITS)
def test_each_service_says_what_does_not_fit(told, name):
    if name == "scram-of-kafka-4" and librdkafka() >= SCRAM_VERSION:
        pytest.skip("this librdkafka does SCRAM as Kafka 4 wants it")
    assert set(told[name].told) == set(NAMES), f"silent: {set(NAMES) - set(told[name].told)}"


def test_passwords_are_nowhere(platform, told):
    for password in (PASSWORD, WRONG):
        assert_nowhere(platform, password)


def librdkafka() -> int:
    return ctypes.CDLL("librdkafka.so.1").rd_kafka_version()


# Topics that are there and are not as they have to be


@pytest.mark.parametrize("topic, partitions, settings, expected", [
    ("routes.desired", 1, {"cleanup.policy": "delete"},
     ["cleanup.policy delete, state topics need compact", "bytes at a time"]),
    ("deployments", 4, {"cleanup.policy": "compact", "max.message.bytes": "2000000"},
     ["cleanup.policy compact, event topics need delete"]),
])
def test_topic_with_other_settings_is_named_with_a_fix_that_helps(platform, topic, partitions, settings, expected):
    cloudspace = f"{platform.state.cloudspace}-other"
    platform.bus.create_topic(topic, partitions, cloudspace, settings)
    stored = f"{cloudspace}.{topic}"
    with other_cloudspace(platform, cloudspace):
        eventually("it names the topic", lambda: says(platform, "services", stored, *expected), REFUSAL_MAX_SECONDS)
        fix = re.search(r"kafka-configs\.sh --alter --entity-type topics --entity-name (\S+) --add-config ([\w.=,]+)",
                        platform.stack.probe("services", "/readyz")[1])
        assert fix[1] == stored
        for setting in fix[2].split(","):
            platform.bus.set_topic(stored, *setting.split("="))
        platform.stack.await_ready("services")


@contextmanager
def other_cloudspace(platform, cloudspace: str):
    try:
        platform.stack.stop(["services"])
        platform.stack.start("services", {"SLIPWAY_CLOUDSPACE": cloudspace})
        yield
    finally:
        platform.stack.stop(["services"])
        platform.bus.remove_topics(cloudspace)
