"""A server of the browser door in a thread, and a client for it; see ``dev_server`` too."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from rayexec.web.server import Server, listening_socket, new_session
from rayexec.web.session import DoorOptions, Session

START_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Client:
    """Asks a server, as a script does that has the token."""

    url: str
    token: str

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        has_token: bool = True,
        **query: Any,
    ) -> Answer:
        """Send one request; None as the value of a header leaves it out."""
        parts = urlsplit(self.url)
        place = f"{parts.path}{path.lstrip('/')}" + (f"?{urlencode(query)}" if query else "")
        sent: dict[str, Any] = {"Authorization": f"Bearer {self.token}"} if has_token else {}
        data = None
        if method not in ("GET", "HEAD"):
            sent |= {"Content-Type": "application/json", "X-Rayexec": "1"}
            data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        sent |= headers or {}
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(
                method,
                place,
                data,
                {name: value for name, value in sent.items() if value is not None},
            )
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of an answer that must be good."""
        answer = self.request("GET", path, **query)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that must be good."""
        answer = self.request("POST", path, body)
        assert answer.status == 200, answer.text
        return answer.json


@dataclass(frozen=True)
class ServedInThread(Client):
    """A server in a thread of this process; each answer is held against its model."""

    session: Session
    loop: asyncio.AbstractEventLoop


@contextlib.contextmanager
def served_in_thread(options: DoorOptions | None = None) -> Iterator[ServedInThread]:
    """Serve during the ``with`` block; answers that do not fit their models are errors."""
    session = new_session(options or DoorOptions())
    session.checks_answers = True
    loop = asyncio.new_event_loop()
    started: list[Server] = []
    is_ready, ending = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await Server.start(session, listening_socket(session.options.host, 0))
        started.append(server)
        is_ready.set()
        await ending.wait()
        await server.stop()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            is_ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert is_ready.wait(START_SECONDS)
        (server,) = started
        yield ServedInThread(server.address, session.token, session, loop)
    finally:
        if started:
            loop.call_soon_threadsafe(ending.set)
        thread.join(START_SECONDS)
        assert not thread.is_alive()
