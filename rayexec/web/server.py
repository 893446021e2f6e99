"""The aiohttp application of the browser door, its socket, and its limits on connections."""

from __future__ import annotations

import asyncio
import secrets
import socket
from importlib import import_module
from importlib.util import find_spec

from aiohttp import web

from rayexec.errors import EngineError
from rayexec.web.connection import Connections
from rayexec.web.endpoints import endpoint_of
from rayexec.web.guard import BODY_BYTES, guard, protect
from rayexec.web.live import Live
from rayexec.web.memory_use import load_arrow
from rayexec.web.openapi import document_route
from rayexec.web.pages import page_routes
from rayexec.web.session import SESSION, DoorOptions, Session
from rayexec.web.watched_topics import drop_idle_runs, register_topics

__all__ = ["Server", "listening_socket", "make_app", "new_session"]

#: Modules of endpoints. Besides ``routes(session)`` each may have ``start(session)`` and
#: ``stop(session)``, coroutine functions for what lasts as long as the server.
API_MODULES = ("facts", "runs", "run_parts", "jobs", "cluster", "cache")
FIRST_PORT = 3000
_PORTS_TRIED = 50
_SHUTDOWN_SECONDS = 2.0  # for answers under way
# From the start to the import of what reads runs: the first page comes first.
_PREPARE_DELAY_S = 2.0
TOKEN_BYTES = 32


def new_session(options: DoorOptions) -> Session:
    """Return the state of a server with a token of its own."""
    return Session(options, secrets.token_urlsafe(TOKEN_BYTES), Live())


def make_app(session: Session) -> web.Application:
    """Return the application with all routes, below the base path and without it.

    A proxy may take the base path off or leave it on.
    """
    app = web.Application(middlewares=[guard], client_max_size=BODY_BYTES)
    app[SESSION] = session
    protect(app)
    modules = [
        import_module(f"rayexec.web.api.{name}")
        for name in API_MODULES
        if find_spec(f"rayexec.web.api.{name}") is not None
    ]
    routes = [route for module in modules for route in module.routes(session)]
    endpoints = [each for each in map(endpoint_of, (route.handler for route in routes)) if each]
    routes.append(document_route(endpoints))
    for route in [*routes, web.get("/api/live", _serve_tab), *page_routes()]:
        for base in {"/", session.options.base_path}:
            path = f"{base}{route.path.lstrip('/')}"
            app.router.add_route(route.method, path, route.handler)

    tasks: list[asyncio.Task[None]] = []

    async def start(_: web.Application) -> None:
        register_topics(session)
        loop = asyncio.get_running_loop()
        tasks.append(loop.create_task(drop_idle_runs(session)))
        tasks.append(loop.create_task(_prepare_for_runs(session)))
        for module in modules:
            if hasattr(module, "start"):
                await module.start(session)

    async def stop(_: web.Application) -> None:
        for module in reversed(modules):
            if hasattr(module, "stop"):
                await module.stop(session)
        for task in tasks:
            task.cancel()
        session.close()

    async def end_tabs(_: web.Application) -> None:
        await session.live.close()

    app.on_startup.append(start)
    app.on_shutdown.append(end_tabs)
    app.on_cleanup.append(stop)
    return app


async def _prepare_for_runs(session: Session) -> None:
    await asyncio.sleep(_PREPARE_DELAY_S)
    await session.in_thread(load_arrow)


async def _serve_tab(request: web.Request) -> web.StreamResponse:
    return await request.app[SESSION].live.serve(request)


class Server:
    """A started server; ``url`` opens it, with its token."""

    def __init__(self, session: Session, runner: web.AppRunner, server: asyncio.Server) -> None:
        self.session = session
        self._runner = runner
        self._server = server

    @classmethod
    async def start(cls, session: Session, listening: socket.socket) -> Server:
        """Serve on a socket, from now on."""
        session.port = listening.getsockname()[1]
        runner = web.AppRunner(
            make_app(session),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        loop = asyncio.get_running_loop()
        assert runner.server is not None
        server = await loop.create_server(Connections(runner.server), sock=listening)
        return cls(session, runner, server)

    @property
    def address(self) -> str:
        """The address of the first page, without the token."""
        options = self.session.options
        host = "127.0.0.1" if options.host in ("0.0.0.0", "::", "") else options.host
        if host == "localhost":
            # That name has two addresses, and another user may listen on the other one.
            host = str(self._server.sockets[0].getsockname()[0])
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.session.port}{options.base_path}"

    @property
    def url(self) -> str:
        """The address with the token."""
        return f"{self.address}?token={self.session.token}"

    def opening_url(self) -> str:
        """Return an address that opens the first page once, for a browser of this user.

        Everybody on the machine sees the arguments that a browser is started with.
        """
        self.session.opening_code = secrets.token_urlsafe(TOKEN_BYTES)
        return f"{self.address}?token={self.session.opening_code}"

    async def stop(self) -> None:
        """End all connections, and what the endpoints have started."""
        self._server.close()
        await self._runner.cleanup()


def listening_socket(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on ``port``; without one, on the first free port from 3000 on.

    Port 0 is any free port. Raises EngineError if the port, or each one tried, is taken.
    """
    ports = range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED) if port is None else (port,)
    reason = ""
    for candidate in ports:
        try:
            return _bound(host, candidate)
        except OSError as error:
            reason = error.strerror or str(error)
    where = f"port {port}" if port is not None else f"a port from {ports[0]} to {ports[-1]}"
    raise EngineError(f"cannot listen on {where} of {host}: {reason}.")


def _bound(host: str, port: int) -> socket.socket:
    candidates = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = candidates[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
