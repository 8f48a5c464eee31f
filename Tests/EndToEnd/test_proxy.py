# SPDX-License-Identifier: Apache-2.0
"""What passes through the ingress, and how."""

import http.client
import socket
import time
from urllib.parse import urlsplit

from support.platform import request


def test_forwarded_headers_tell_the_app_who_asked(tiny):
    fields = dict(line.split(": ", 1) for line in tiny.get("/headers").text.splitlines())
    assert fields["host"] == urlsplit(tiny.url).netloc
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["x-forwarded-host"] == urlsplit(tiny.url).netloc
    assert fields["x-request-id"]


def test_forged_forwarding_headers_are_not_believed(tiny):
    answer = tiny.get("/headers", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["x-forwarded-for"] == "127.0.0.1" and fields["x-forwarded-proto"] == "http"


def test_request_id_is_in_the_answer(tiny):
    assert tiny.get("/").headers["x-request-id"]


def test_body_of_100_megabytes_streams_to_the_app(tiny):
    def parts():
        for _ in range(100):
            yield b"x" * (1 << 20)

    headers = {"Content-Length": str(100 << 20)}
    answer = request(tiny.url + "/upload", "POST", parts(), headers, timeout=120)
    assert answer.status == 200 and answer.text == str(100 << 20)


def test_parts_of_an_answer_arrive_as_they_are_sent(tiny):
    parts = urlsplit(tiny.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    connection.request("GET", "/drip", headers={"Host": parts.netloc})
    answer = connection.getresponse()
    times = []
    for number in range(3):
        assert answer.readline() == f"part {number}\n".encode()
        times.append(time.monotonic())
    connection.close()
    assert times[2] - times[0] > 0.4, "the parts came together: the answer was held back"


def test_connection_serves_many_requests(tiny):
    parts = urlsplit(tiny.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    connection.connect()
    first = connection.sock
    for _ in range(20):
        connection.request("GET", "/version", headers={"Host": parts.netloc})
        assert connection.getresponse().read() == b"1"
    assert connection.sock is first
    connection.close()


def test_unknown_hostname_gets_a_clear_404(platform, tiny):
    answer = request(f"http://nobody.localhost:{platform.stack.ingress_port}/")
    assert answer.status == 404 and answer.text == "No application answers at this hostname.\n"


def test_broken_requests_get_a_400_and_the_ingress_lives(platform, tiny):
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        assert status_of(platform.stack.ingress_port, raw) in (400, 404, 0), raw
    assert tiny.version() == "1"


def status_of(port: int, raw: bytes) -> int:
    """0 when the connection is closed without an answer."""

    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        line = connection.makefile("rb").readline()
    return int(line.split()[1]) if line else 0
