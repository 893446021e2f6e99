"""The life of ``rayexec dev``: the server, and all that it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from rayexec.cluster.home import home
from rayexec.errors import StoreError
from rayexec.private_directory import StrangerError, open_private, private_directory
from rayexec.store import RunStore
from rayexec.web.server import Server, listening_socket, new_session
from rayexec.web.session import DoorOptions

__all__ = ["serve"]


def serve(options: DoorOptions, port: int | None, say: Callable[[Server], object]) -> None:
    """Serve until an interrupt; ``say`` gets the server once it answers.

    Raises EngineError for a port that is taken, and StoreError for a store that cannot be read.
    """
    listening = listening_socket(options.host, port)
    with contextlib.closing(listening):
        asyncio.run(_serve(options, listening, say))


async def _serve(
    options: DoorOptions, listening: socket.socket, say: Callable[[Server], object]
) -> None:
    session = new_session(options)
    _check_readable(session.store)
    server = await Server.start(session, listening)
    try:
        with _token_file(session.port, session.token):
            say(server)
            await asyncio.Event().wait()
    finally:
        await server.stop()


def _check_readable(store: RunStore) -> None:
    root = getattr(store, "root", None)
    if not isinstance(root, str) or "://" in root:
        return
    path = Path(root).expanduser()
    try:
        if path.exists():
            os.listdir(path)
    except OSError as error:
        raise StoreError(f"the run store {root} cannot be read: {error.strerror}.") from None


@contextlib.contextmanager
def _token_file(port: int, token: str) -> Iterator[None]:
    """Keep the token in a file that scripts of this user may read, during the ``with`` block.

    Without a private directory for it there is none, and the printed address has the token.
    """
    path = None
    with contextlib.suppress(OSError, StrangerError):
        directory = private_directory(home() / f"dev-{os.geteuid()}")
        path = directory / f"{port}.token"
        with open(path, "w", opener=open_private) as file:
            file.write(f"{token}\n")
    try:
        yield
    finally:
        if path is not None:
            path.unlink(missing_ok=True)
