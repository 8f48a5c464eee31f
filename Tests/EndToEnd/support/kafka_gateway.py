# SPDX-License-Identifier: Apache-2.0
"""A gateway in front of a Kafka broker that asks its clients who they are: TLS, client certificates, SASL.

It stands for a cluster that is secured, before a broker that knows neither. Clients are told its address in place of
the broker's, and nothing of what they send reaches the broker before they have said who they are.
"""

import hmac
import select
import socket
import ssl
import sys
import threading
from collections import deque
from dataclasses import dataclass

from slipway_local import python_packages
from slipway_local.steps import StepLog

from . import kafka_protocol as protocol
from .certificates import Certificate
from .engine_relay import shut_down

REQUIREMENTS = ["scramp==1.4.17"]
HOST = "127.0.0.1"
PLAIN, SCRAM_256, SCRAM_512 = "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"
MECHANISMS = (PLAIN, SCRAM_256, SCRAM_512)
BACKLOG = 128
CHUNK_BYTES = 1 << 16
# As Kafka's socket.request.max.bytes.
FRAME_BYTES_MAX = 100 << 20
FAREWELL_MAX_SECONDS = 1
END_MAX_SECONDS = 10


class Refused(Exception):
    """What a client did, or who it is, ends its connection."""


def prepare() -> None:
    folder = python_packages.ensure(
        "gateway", REQUIREMENTS, "the server's side of SCRAM", "these tests cannot run without it", StepLog())
    site_packages = str(python_packages.site_packages(folder))
    if site_packages not in sys.path:
        sys.path.append(site_packages)


def server_context(certificate: Certificate, clients: Certificate | None = None) -> ssl.SSLContext:
    """With `clients`, everybody has to show a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    if clients:
        context.load_verify_locations(clients.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@dataclass(eq=False)
class Visit:
    """One connection of a client, and what is known of the client."""

    # For whoever cuts the connection.
    end: socket.socket
    client: str = ""
    tls: str | None = None
    certificate: str | None = None
    mechanism: str | None = None
    user: str | None = None
    # Whether anything of it has gone to the broker.
    is_admitted: bool = False
    refusal: str | None = None
    # Port of the gateway's own end of the connection to the broker.
    port: int | None = None


class Gateway:
    def __init__(self, broker: int, context: ssl.SSLContext | None, users: dict[str, str] | None = None,
                 mechanisms: tuple[str, ...] = MECHANISMS, is_strict: bool = False):
        """Without `users` nobody is asked for a password. `is_strict` is about nonces, see `Session.scram`."""
        self.broker = broker
        self.context = context
        self.mechanisms = mechanisms if users else ()
        self.is_strict = is_strict
        self.visits: list[Visit] = []
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        if users:
            prepare()
            self.set_users(users)

    def set_users(self, users: dict[str, str]) -> None:
        """From now on; whoever is connected stays so."""
        from scramp import ScramMechanism

        self.verifiers = {(mechanism, user): ScramMechanism(mechanism).make_auth_info(password)
                          for user, password in users.items() for mechanism in (SCRAM_256, SCRAM_512)}
        self.users = dict(users)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"kafka://{HOST}:{self.port}"

    def admitted(self) -> list[Visit]:
        with self.lock:
            return [visit for visit in self.visits if visit.is_admitted]

    def cut(self) -> None:
        """Everybody has to come again."""
        with self.lock:
            for visit in self.visits:
                shut_down(visit.end)

    def __enter__(self) -> "Gateway":
        self.listener = socket.create_server((HOST, 0), backlog=BACKLOG)
        self.start(self.accept)
        return self

    def __exit__(self, *_) -> None:
        shut_down(self.listener)
        self.cut()
        for thread in self.threads:
            thread.join(END_MAX_SECONDS)
        self.listener.close()

    def start(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            visit = Visit(client.dup())
            with self.lock:
                self.visits.append(visit)
            self.start(self.serve, client, visit)

    def serve(self, client: socket.socket, visit: Visit) -> None:
        broker = None
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
                certificate = client.getpeercert()
                visit.tls = client.version()
                visit.certificate = dict(certificate["subject"][0])["commonName"] if certificate else None
            broker = socket.create_connection((HOST, self.broker))
            visit.port = broker.getsockname()[1]
            Session(self, visit, client, broker).run()
        except Refused as refusal:
            visit.refusal = str(refusal)
            take_leave(client)
        except OSError as error:
            if not visit.is_admitted:
                visit.refusal = str(error)
        finally:
            client.close()
            if broker:
                broker.close()
            # Under the lock, so that `cut` never meets a number that the system has given to someone else.
            with self.lock:
                visit.end.close()


def take_leave(client: socket.socket) -> None:
    """Brokers end TLS before the connection."""
    if isinstance(client, ssl.SSLSocket):
        try:
            client.settimeout(FAREWELL_MAX_SECONDS)
            client.unwrap()
        except OSError:
            pass  # It does not wait for that.


class Peer:
    """One side of a connection, in frames."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.received = b""

    def send(self, frame: bytes) -> None:
        self.connection.sendall(protocol.blob(frame))

    def frames(self):
        """Those that are there after one more look, whole."""
        data = self.connection.recv(CHUNK_BYTES)
        if not data:
            raise ConnectionError("gone")
        self.received += data
        while len(self.received) >= 4:
            end = 4 + protocol.Reader(self.received).number(">i")
            if not 4 <= end <= FRAME_BYTES_MAX:
                raise Refused("not the Kafka protocol")
            if len(self.received) < end:
                break
            frame, self.received = self.received[4:end], self.received[end:]
            yield frame


class Session:
    """One client that has come as far as it has to say who it is."""

    def __init__(self, gateway: Gateway, visit: Visit, client: socket.socket, broker: socket.socket):
        self.gateway = gateway
        self.visit = visit
        self.client = Peer(client)
        self.broker = Peer(broker)
        # Requests without an answer, in their order, which is that of the answers, and answers that wait for theirs.
        self.asked: deque[tuple[protocol.Request, bytes | None]] = deque()

    def run(self) -> None:
        self.broker.send(protocol.request(protocol.API_VERSIONS, 0, 0, "gateway"))
        self.versions = protocol.offered(protocol.versions_of(self.next(self.broker)))
        if self.gateway.mechanisms:
            self.authenticate()
        self.relay()

    def next(self, peer: Peer) -> bytes:
        """Of one that waits for an answer before it sends more."""
        while True:
            for frame in peer.frames():
                return frame

    def request(self, frame: bytes) -> protocol.Request:
        request = protocol.Request.parse(frame)
        self.visit.client = request.client
        return request

    # Who it is

    def authenticate(self) -> None:
        while True:
            request = self.request(self.next(self.client))
            if request.api == protocol.API_VERSIONS:
                self.client.send(request.answer(protocol.versions_answer(request.version, self.versions)))
            elif request.api == protocol.SASL_HANDSHAKE and request.version == 1:
                break
            else:
                raise Refused(f"request {request.api} before authentication")
        self.visit.mechanism = mechanism = protocol.Reader(request.body).text()
        is_offered = mechanism in self.gateway.mechanisms
        self.client.send(request.answer(protocol.handshake_answer(
            protocol.NO_ERROR if is_offered else protocol.UNSUPPORTED_MECHANISM, self.gateway.mechanisms)))
        if not is_offered:
            raise Refused(f"mechanism {mechanism}")
        self.visit.user = self.plain() if mechanism == PLAIN else self.scram(mechanism)

    def token(self) -> str:
        self.latest = request = self.request(self.next(self.client))
        if request.api != protocol.SASL_AUTHENTICATE:
            raise Refused(f"request {request.api} during authentication")
        reader = protocol.Reader(request.body)
        return reader.bytes(reader.number(">i")).decode(errors="replace")

    def reply(self, token: str) -> None:
        self.client.send(self.latest.answer(protocol.authenticate_answer(
            self.latest.version, protocol.NO_ERROR, token=token.encode())))

    def refuse(self, user: str) -> Refused:
        self.client.send(self.latest.answer(protocol.authenticate_answer(
            self.latest.version, protocol.AUTHENTICATION_FAILED, "Authentication failed: invalid credentials")))
        return Refused(f"password of {user}")

    def plain(self) -> str:
        """RFC 4616."""
        _, user, password = self.token().split("\0")
        known = self.gateway.users.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            raise self.refuse(user)
        self.reply("")
        return user

    def scram(self, mechanism: str) -> str:
        """RFC 5802. Only if it is strict, as Kafka is from version 4 on, it insists on the nonce being sent back as it
        was: librdkafka before 2.6.1 puts its own part before it once more."""
        from scramp import ScramException, ScramMechanism

        users = []

        def verifier(user: str) -> tuple:
            users.append(user)
            return self.gateway.verifiers[mechanism, user]

        server = ScramMechanism(mechanism).make_server(verifier)
        try:
            server.set_client_first(self.token())
            self.reply(server.get_server_first())
            final = self.token()
            nonce = dict(part.split("=", 1) for part in final.split(",")).get("r", "")
            if not self.gateway.is_strict and nonce.endswith(str(server.nonce)):
                server.nonce = type(server.nonce)(nonce)
            server.set_client_final(final)
        except (ScramException, ValueError) as error:
            raise self.refuse(users[0] if users else "nobody") from error
        self.reply(server.get_server_final())
        return users[0]

    # What it wants

    def relay(self) -> None:
        client, broker = self.client.connection, self.broker.connection
        while True:
            # What TLS has decoded already, no socket tells of.
            has_more = isinstance(client, ssl.SSLSocket) and client.pending() > 0
            ready = [client] if has_more else select.select([client, broker], [], [])[0]
            if client in ready:
                for frame in self.client.frames():
                    self.ask(self.request(frame))
            if broker in ready:
                for frame in self.broker.frames():
                    self.answer(frame)

    def ask(self, request: protocol.Request) -> None:
        if request.api == protocol.API_VERSIONS:
            self.asked.append((request, protocol.versions_answer(request.version, self.versions)))
        elif request.api == protocol.SASL_HANDSHAKE:
            self.asked.append((request, protocol.handshake_answer(protocol.ILLEGAL_SASL_STATE, ())))
        else:
            self.asked.append((request, None))
            self.visit.is_admitted = True
            self.broker.send(request.frame)
        self.send_ready()

    def answer(self, frame: bytes) -> None:
        request, _ = self.asked.popleft()
        if request.api in protocol.VERSIONS_MAX:
            frame = protocol.readdressed(request.api, request.version, frame, HOST, self.gateway.port)
        self.client.send(frame)
        self.send_ready()

    def send_ready(self) -> None:
        while self.asked and self.asked[0][1] is not None:
            request, body = self.asked.popleft()
            self.client.send(request.answer(body))
