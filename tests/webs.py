"""A server that does what a test says, to show what the hub makes of it. It notes every request it got."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Told:
    """An answer. cut: the connection is reset instead. wait: seconds before it."""

    status: int = 200
    body: bytes | Mapping[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    wait: float = 0.0


class Web:
    """tell: called with each request; what it gives is the answer. got: all requests."""

    def __init__(self, tell: Callable[[Asked], Told] | None = None, context: Any = None) -> None:
        self.tell = tell or (lambda asked: Told())
        self.got: list[Asked] = []
        self.ended = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body)
                web.got.append(asked)
                told = web.tell(asked)
                web.ended.wait(told.wait)
                if told.cut:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                data = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
                (self.send_response_only if "Date" in told.headers else self.send_response)(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in told.headers:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_OPTIONS = answer

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever went away is none of our business."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Resources:
    """A FHIR server's Patients, as far as conditions go: search by POST, versions, If-Match. `tell` of a Web.

    lost: what is to happen without an answer, by method, how often.
    """

    def __init__(self) -> None:
        self.held: dict[str, tuple[int, dict[str, Any]]] = {}
        self.lost: dict[str, int] = {}
        self.creating = 0
        self.together = 0

    def __call__(self, asked: Asked) -> Told:
        told = self._tell(asked)
        if self.lost.get(asked.method, 0) and told.status in (200, 201) and not asked.path.endswith("_search"):
            self.lost[asked.method] -= 1
            return Told(cut=True)
        return told

    def _tell(self, asked: Asked) -> Told:
        name = asked.path.rpartition("/")[2]
        if asked.path.endswith("/_search"):
            wanted = asked.body.decode().rpartition("%7C")[2]
            found = [self._whole(one) for one, (_, held) in self.held.items() if wanted in json.dumps(held)]
            return Told(200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in found]})
        if asked.method == "POST":
            name = f"p{len(self.held)}"
            self.held[name] = 1, {**asked.json(), "id": name}
            return Told(201, self._whole(name), {"ETag": 'W/"1"', "Location": f"Patient/{name}"})
        version = self.held.get(name, (0, {}))[0]
        if asked.method == "GET":
            return Told(200, self._whole(name), {"ETag": f'W/"{version}"'}) if version else Told(404)
        if asked.headers.get("if-match", f'W/"{version}"') != f'W/"{version}"':
            return Told(412)
        if asked.headers.get("if-none-match") == "*" and version:
            return Told(412)
        self.held[name] = version + 1, asked.json()
        return Told(200 if version else 201, self._whole(name), {"ETag": f'W/"{version + 1}"'})

    def _whole(self, name: str) -> dict[str, Any]:
        version, held = self.held[name]
        return {**held, "meta": {"versionId": str(version), "lastUpdated": "2025-01-01T00:00:00Z"}}
