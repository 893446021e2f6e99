"""The life of ``rayexec dev``: the server, and all that it starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rayexec.web.server import Server, listening_socket, new_session
from rayexec.web.session import DoorOptions

__all__ = ["serve"]


def serve(options: DoorOptions, port: int | None, say: Callable[[Server], object]) -> None:
    """Serve until an interrupt; ``say`` gets the server once it answers."""
    listening = listening_socket(options.host, port)
    asyncio.run(_serve(options, listening, say))


async def _serve(options: DoorOptions, listening: object, say: Callable[[Server], object]) -> None:
    server = await Server.start(new_session(options), listening)  # type: ignore[arg-type]
    try:
        say(server)
        await asyncio.Event().wait()
    finally:
        await server.stop()
