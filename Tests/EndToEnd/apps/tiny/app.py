# SPDX-License-Identifier: Apache-2.0
"""The tests' application: the standard library only, so that building it takes no time."""

import http.server
import os
import signal
import threading
import time

VERSION = "1"
STARTS_AFTER_SECONDS = 0.0
BECOMES_READY = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers are to leave at once: head and body are two writes.
    disable_nagle_algorithm = True

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self.answer(200 if BECOMES_READY else 503, "ok\n" if BECOMES_READY else "not yet\n")
        elif path == "/version":
            self.answer(200, VERSION)
        elif path.startswith("/env/"):
            value = os.environ.get(path.removeprefix("/env/"))
            self.answer(404 if value is None else 200, value or "")
        elif path == "/headers":
            self.answer(200, "".join(f"{key.lower()}: {value}\n" for key, value in self.headers.items()))
        elif path == "/drip":
            self.drip()
        elif path == "/write":
            self.try_to_write()
        else:
            self.answer(200, f"tiny {VERSION}\n")

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        counted = 0
        while counted < size:
            part = self.rfile.read(min(1 << 16, size - counted))
            if not part:
                break
            counted += len(part)
        self.answer(200, str(counted))

    def drip(self):
        """A body whose parts come one by one: it is to arrive that way."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            part = f"part {number}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(0.3)
        self.wfile.write(b"0\r\n\r\n")

    def try_to_write(self):
        try:
            with open(os.path.join(os.getcwd(), "written"), "w") as file:
                file.write("x")
            self.answer(200, f"written as {os.getuid()}")
        except OSError as error:
            self.answer(200, f"refused as {os.getuid()}: {error.strerror}")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False


def main():
    time.sleep(STARTS_AFTER_SECONDS)
    server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"tiny {VERSION} listens", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.socket.close()
    # Threads of idle connections would wait for their clients for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
