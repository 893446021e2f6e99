"""Connections of browsers, with limits on slow and on many ones, and errors without tracebacks."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from rayexec.web.faults import report_fault
from rayexec.web.guard import HEADERS

__all__ = ["Connection", "Connections"]

#: The head of the first request must come within that time.
HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 75.0
MOST_CONNECTIONS = 500
_LINE_BYTES = 8190  # of the request line, and of each header


class Connections:
    """Makes the connections of a server, up to a most number of open ones."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        #: The oldest first; True for those that have shown the token.
        self.open: dict[Connection, bool] = {}

    def end_stranger(self) -> bool:
        """End the oldest connection that has not shown the token; return False without one."""
        for connection, is_known in self.open.items():
            if not is_known:
                self.open.pop(connection)
                connection.give_up()
                return True
        return False

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # An address may have the token.
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
            lingering_time=2.0,
            auto_decompress=False,
        )


class Connection(web.RequestHandler):
    """One connection; it ends if no request begins in time."""

    __slots__ = ("_all", "_timer")

    def __init__(self, every: Connections, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._all = every
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; where there are too many, the oldest of a stranger ends, or this one."""
        assert isinstance(transport, asyncio.Transport)
        if len(self._all.open) >= MOST_CONNECTIONS and not self._all.end_stranger():
            transport.abort()
        self._all.open[self] = False
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_SECONDS, self.give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._all.open.pop(self, None)
        self.request_began()
        super().connection_lost(exc)

    def showed_token(self) -> None:
        """Note that a request has shown the token."""
        if self in self._all.open:
            self._all.open[self] = True

    def request_began(self) -> None:
        """Note that the head of a request is complete."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def give_up(self) -> None:
        """End at once."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that is no HTTP, and to one that the server failed at."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and exc is not None:
            report_fault(exc)
        if getattr(request.writer, "output_size", 0) > 0:
            raise ConnectionError("a part of the answer is sent already.")
        is_known = status in HTTPStatus.__members__.values()
        answer = web.Response(
            status=status,
            text=f"{HTTPStatus(status).phrase if is_known else 'Error'}.\n",
            headers=HEADERS,
        )
        answer.force_close()
        return answer
