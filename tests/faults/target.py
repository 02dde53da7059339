"""A target system, as a program of its own: what it takes is in a synced log before it answers. It can behave badly.

    python -m tests.faults.target KIND PORT LOG        KIND: dedup, match, plain

PUT /child/ID takes a record, with Idempotency-Key. `match` wants If-Match with the version that GET gave. POST /order
with {"what": …, "count": n, "child": ID or "", "seconds": s} asks for bad behaviour for the next so many requests.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.faults.logs import Log, follow_parent

LASTS = 3.0
"""Seconds after which an order is forgotten: a target that is rarely asked would else collect them."""
STATUS = {"503": 503, "429": 429, "401": 401, "400": 400}
DROP = ("close-before", "close-after", "hang-before", "hang-after")
"""No answer: before or after the effect, at once or after a long wait."""


class Held:
    """What one child has at a target that honours If-Match."""

    def __init__(self) -> None:
        self.version, self.key, self.data = 0, "", b""


class Target:
    """The state of the system. One request at a time has its effect."""

    def __init__(self, kind: str, log: Path) -> None:
        self.kind, self.log = kind, Log(log)
        self.lock = threading.Lock()
        self.keys: set[str] = set()
        self.children: dict[str, Held] = {}
        self.orders: list[dict[str, Any]] = []
        self.count = 0

    def order(self, child: str) -> dict[str, Any]:
        """What is asked for this request, if anything."""
        with self.lock:
            now = time.monotonic()
            self.orders = [order for order in self.orders if order["count"] > 0 and order["until"] > now]
            for order in self.orders:
                if order.get("child", "") in ("", child):
                    order["count"] -= 1
                    return order
        return {}

    def take(self, child: str, key: str, match: str, data: bytes, said: dict[str, Any]) -> tuple[int, int, int]:
        """Status, version and number of the log's line: the effect, on disk."""
        with self.lock:
            held = self.children.setdefault(child, Held())
            if self.kind == "match" and match != f'"{held.version}"':
                return 412, held.version, 0
            self.count += 1
            self.log.add(n=self.count, at=time.time(), key=key, data=base64.b64encode(data).decode(), **said)
            if self.kind != "dedup" or key not in self.keys:
                held.version, held.key, held.data = held.version + 1, key, data
            self.keys.add(key)
            return 200, held.version, self.count


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: a connection a request."""

    target: Target

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        order = json.loads(self._body())
        with self.target.lock:
            order["until"] = time.monotonic() + LASTS
            self.target.orders = [] if order["what"] == "none" else [*self.target.orders, order]
        self._answer(204)

    def do_GET(self) -> None:
        with self.target.lock:
            held = self.target.children.get(self.path.rpartition("/")[2], Held())
            data, key, version = held.data, held.key, held.version
        self._answer(200, data, ETag=f'"{version}"', Last_Key=key)

    def do_PUT(self) -> None:
        data, child = self._body(), self.path.rpartition("/")[2]
        if len(data) != int(self.headers["Content-Length"]):
            return  # whoever sent it died in the middle
        order = self.target.order(child)
        what, seconds = order.get("what", ""), float(order.get("seconds", 0))
        if what in STATUS:
            self._answer(STATUS[what], Retry_After="0.5")
        elif what in ("close-before", "hang-before"):
            time.sleep(seconds if what == "hang-before" else 0)
        else:
            self._take(child, data, what, seconds)

    def _take(self, child: str, data: bytes, what: str, seconds: float) -> None:
        key, match = self.headers.get("Idempotency-Key", ""), self.headers.get("If-Match", "")
        said = {"worker": int(self.headers.get("Worker", 0)), "answers": what not in DROP}
        status, version, n = self.target.take(child, key, match, data, said)
        if what in ("slow", "hang-after"):
            time.sleep(seconds)
        if status == 200 and what in DROP:
            return
        try:
            self._answer(status, ETag=f'"{version}"')
        except OSError:
            if n:
                self.target.log.add(n=n, failed=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is none of our business."""


def main() -> None:
    follow_parent()
    kind, port, log = sys.argv[1:]
    Handler.target = Target(kind, Path(log))
    Server(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
