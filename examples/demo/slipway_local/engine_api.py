# SPDX-License-Identifier: Apache-2.0
"""The few calls of the Docker Engine API that the stack needs, over its unix socket."""

import http.client
import ipaddress
import json
import shutil
import socket
from urllib.parse import quote, urlencode

IMPORT_MAX_SECONDS = 300
COPY_BYTES = 1 << 20


class EngineError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(f"the container engine answered {status}: {message}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("engine", timeout=timeout)
        self.socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket_path)


class Engine:
    def __init__(self, socket_path: str):
        self.socket_path = socket_path

    def call(self, method: str, path: str, query: dict | None = None, body=None, timeout: float = 30, headers=None):
        """The decoded answer: JSON where the engine sends one document, otherwise text."""
        connection = _Connection(self.socket_path, timeout)
        try:
            target = path + ("?" + urlencode(query, doseq=True) if query else "")
            headers = dict(headers or {})
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                headers["Content-Type"] = "application/json"
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            if answer.status >= 400:
                try:
                    text = json.loads(text)["message"]
                except (ValueError, KeyError, TypeError):
                    pass
                raise EngineError(answer.status, text.strip())
            try:
                return json.loads(text) if text else None
            except ValueError:
                return text
        finally:
            connection.close()

    def save_image(self, name: str, tar: str) -> None:
        """Writes the image and all it stands on to a file."""
        connection = _Connection(self.socket_path, IMPORT_MAX_SECONDS)
        try:
            connection.request("GET", f"/images/{quote(name, safe='/:')}/get")
            answer = connection.getresponse()
            if answer.status >= 400:
                raise EngineError(answer.status, answer.read().decode(errors="replace").strip())
            with open(tar, "wb") as file:
                shutil.copyfileobj(answer, file, COPY_BYTES)
        finally:
            connection.close()

    def load_image(self, tar: str) -> None:
        """Adds what `save_image` wrote. Raises `EngineError`: a load fails inside an answer with status 200."""
        with open(tar, "rb") as file:
            headers = {"Content-Type": "application/x-tar"}
            text = self.call("POST", "/images/load", {"quiet": "true"}, file, IMPORT_MAX_SECONDS, headers)
        if "errorDetail" in (text if isinstance(text, str) else json.dumps(text)):
            raise EngineError(200, str(text).strip())

    def answers(self) -> bool:
        try:
            return self.call("GET", "/_ping", timeout=3) == "OK"
        except (OSError, http.client.HTTPException, EngineError):
            return False

    def version(self) -> str:
        return self.call("GET", "/version")["Version"]

    def gateway(self) -> str:
        """The address at which containers of every bridge network reach this machine."""
        pool = self.call("GET", "/networks/bridge")["IPAM"]["Config"][0]
        # An engine that has just made its bridge leaves the gateway out: it is the first address then.
        return pool.get("Gateway") or str(next(ipaddress.ip_network(pool["Subnet"]).hosts()))

    def image(self, name: str) -> dict | None:
        try:
            return self.call("GET", f"/images/{quote(name, safe='/:')}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def images(self, label: str | None = None, every: bool = False) -> list[dict]:
        return self.call("GET", "/images/json", self._labelled(label, all="true" if every else "false"))

    def containers(self, label: str) -> list[dict]:
        return self.call("GET", "/containers/json", self._labelled(label, all="true"))

    def networks(self, label: str) -> list[dict]:
        return self.call("GET", "/networks", self._labelled(label))

    @staticmethod
    def _labelled(label: str | None, **query) -> dict:
        return query | ({"filters": json.dumps({"label": [label]})} if label else {})

    def remove_container(self, identifier: str) -> None:
        self._remove(f"/containers/{identifier}", {"force": "true", "v": "true"})

    def remove_network(self, identifier: str) -> None:
        self._remove(f"/networks/{identifier}", {})

    def remove_image(self, identifier: str, force: bool = True) -> None:
        self._remove(f"/images/{quote(identifier, safe=':/')}", {"force": "true" if force else "false"})

    def _remove(self, path: str, query: dict) -> None:
        try:
            self.call("DELETE", path, query, timeout=60)
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def pull(self, repository: str, tag: str, timeout: float) -> None:
        """Raises `EngineError` with the registry's reason: a pull fails inside an answer with status 200."""
        text = self.call("POST", "/images/create", {"fromImage": repository, "tag": tag}, timeout=timeout)
        last = str(text).strip().splitlines()[-1] if isinstance(text, str) else json.dumps(text or {})
        if '"error"' in last:
            raise EngineError(200, json.loads(last).get("error", last))

    def import_image(self, tar: str, repository: str, tag: str, changes: list[str]) -> None:
        with open(tar, "rb") as file:
            query = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": changes}
            headers = {"Content-Type": "application/x-tar"}
            self.call("POST", "/images/create", query, body=file, timeout=IMPORT_MAX_SECONDS, headers=headers)
