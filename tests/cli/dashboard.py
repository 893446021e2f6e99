"""Fake dashboard of Ray that answers questions about jobs."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import Any


@dataclass
class Dashboard:
    """Jobs by their ids, in the form of Ray's Jobs API.

    A ``failing`` dashboard answers no question about jobs. ``asked`` are the requests so far,
    such as ``POST mine/stop``. ``submitted`` are the submissions, with ``outcome`` as their
    state. Each job has printed one line.
    """

    address: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: bool = False
    outcome: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, job_id: str) -> None:
        self.jobs[job_id] = {"status": "RUNNING", "message": "", "start_time": 1_000}

    def end(self, job_id: str, status: str = "SUCCEEDED") -> None:
        self.jobs[job_id] |= {"status": status, "end_time": 2_000}

    def times_asked(self, request: str) -> int:
        return self.asked.count(request)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/version":
            return 200, {"version": "4", "ray_version": version("ray"), "ray_commit": "x"}
        if not path.startswith("/api/jobs/"):
            return 200, {}  # each package is there
        path = path.removeprefix("/api/jobs/")
        self.asked.append(f"{method} {path}")
        if self.failing:
            return 503, "busy"
        if method == "POST" and not path:
            self.submitted.append(json.loads(body))
            self.begin(self.submitted[-1]["submission_id"])
            self.jobs[self.submitted[-1]["submission_id"]] |= self.outcome
            return 200, {"job_id": "1", "submission_id": self.submitted[-1]["submission_id"]}
        job_id, _, what = path.partition("/")
        if job_id not in self.jobs:
            return 404, f"Job {job_id} does not exist"
        if what == "stop":
            self.end(job_id, "STOPPED")
            return 200, {"stopped": True}
        return 200, {"logs": "printed\n"} if what == "logs" else self.jobs[job_id]


@contextlib.contextmanager
def serving() -> Iterator[Dashboard]:
    """Serve a dashboard during the context."""
    dashboard = Dashboard()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Upgrade") == "websocket":
                self.tell()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = dashboard.answer(self.command, self.path, body)
            sent = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def tell(self) -> None:
            """Send a line by a websocket, and close it."""
            key = f"{self.headers['Sec-WebSocket-Key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header(
                "Sec-WebSocket-Accept", b64encode(sha1(key.encode()).digest()).decode()
            )
            self.end_headers()
            self.wfile.write(b"\x81\x08printed\n" + b"\x88\x02\x03\xe8")
            self.rfile.read(8)  # the other side closes it, too
            self.close_connection = True

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        dashboard.address = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield dashboard
        finally:
            server.shutdown()
