# SPDX-License-Identifier: Apache-2.0
"""A unix socket in front of the container engine's, which can be cut: the engine is gone then for one stack alone."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

BACKLOG = 64
CHUNK_BYTES = 1 << 16


class EngineRelay:
    """Passes bytes between those who connect to `path` and the engine at `engine`, from `restore()` to `cut()`.

    `watch` is shown what visitors send before the engine gets it.
    """

    def __init__(self, path: Path, engine: str, watch: Callable[[bytes], None] | None = None):
        self.path = path
        self.engine = engine
        self.watch = watch
        self.lock = threading.Lock()
        self.listener: socket.socket | None = None
        self.open: set[socket.socket] = set()

    def restore(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(BACKLOG)
        with self.lock:
            self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Nobody gets through any more, and whoever was through is cut off."""
        with self.lock:
            listener, self.listener = self.listener, None
            cut_off = [*self.open, *([listener] if listener else [])]
            self.path.unlink(missing_ok=True)
            for end in cut_off:
                shut_down(end)

    def accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    visitor, _ = listener.accept()
                except OSError:
                    return
                engine = socket.socket(socket.AF_UNIX)
                try:
                    engine.connect(self.engine)
                except OSError:
                    visitor.close()
                    engine.close()
                    continue
                self.pass_on(listener, visitor, engine)

    def pass_on(self, listener: socket.socket, visitor: socket.socket, engine: socket.socket) -> None:
        with self.lock:
            is_cut = self.listener is not listener
            if not is_cut:
                self.open |= {visitor, engine}
        if is_cut:
            visitor.close()
            engine.close()
            return
        back = threading.Thread(target=copy, args=(engine, visitor), daemon=True)
        threading.Thread(target=self.serve, args=(visitor, engine, back), daemon=True).start()

    def serve(self, visitor: socket.socket, engine: socket.socket, back: threading.Thread) -> None:
        back.start()
        copy(visitor, engine, self.watch)
        back.join()
        # Under the lock, so that `cut` never meets a number that the system has given to someone else.
        with self.lock:
            self.open -= {visitor, engine}
            visitor.close()
            engine.close()


def copy(source: socket.socket, sink: socket.socket, watch: Callable[[bytes], None] | None = None) -> None:
    """Until one end is closed; then the other one learns of it."""
    try:
        while data := source.recv(CHUNK_BYTES):
            if watch:
                watch(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        shut_down(source)
        shut_down(sink)


def shut_down(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # Its other side is closed already.
