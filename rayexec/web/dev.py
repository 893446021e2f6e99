"""The life of ``rayexec dev``: the server, and all that it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from rayexec.errors import StoreError
from rayexec.store import RunStore
from rayexec.web.server import Server, listening_socket, new_session
from rayexec.web.session import DoorOptions, Session
from rayexec.web.token_file import token_file

__all__ = ["serve"]


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_VIA = "rayexec dev, which ended with the Ray of the run"


def serve(
    options: DoorOptions,
    port: int | None,
    started: Callable[[Server], object],
    say: Callable[[str], object],
) -> None:
    """Serve until an interrupt; ``started`` gets the server once it answers.

    ``say`` gets lines for the terminal. Raises EngineError for a port that is taken, and StoreError
    for a store that cannot be read.
    """
    listening = listening_socket(options.host, port)
    with contextlib.closing(listening):
        asyncio.run(_serve(options, listening, started, say))


async def _serve(
    options: DoorOptions,
    listening: socket.socket,
    started: Callable[[Server], object],
    say: Callable[[str], object],
) -> None:
    session = new_session(options)
    _check_readable(session.store)
    interrupts = _Interrupts()
    server = await Server.start(session, listening)
    try:
        with token_file(session.port, session.token):
            started(server)
            await interrupts.first.wait()
    finally:
        await _end_runs(session, interrupts, say)
        await server.stop()
        interrupts.ignore()


class _Interrupts:
    """Ctrl-C and signals like it: the first one ends the server, a second one hurries that."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_number in _ENDING:
            # One that is ignored stays so, as under nohup.
            if signal.getsignal(signal_number) is not signal.SIG_IGN:
                loop.add_signal_handler(signal_number, self._came)

    def ignore(self) -> None:
        """Ignore more of them: all has ended, and only the exit of this process is left."""
        loop = asyncio.get_running_loop()
        for signal_number in _ENDING:
            loop.remove_signal_handler(signal_number)
            signal.signal(signal_number, signal.SIG_IGN)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


async def _end_runs(
    session: Session, interrupts: _Interrupts, say: Callable[[str], object]
) -> None:
    """Cancel the runs on the Ray of this server, since they could not go on without it."""
    runs = session.cluster.runs
    if not (living := runs.living()):
        return
    shown = ", ".join(run.run_id for run in living)
    say(f"Canceling what runs on the Ray of this command: {shown}. Ctrl-C again kills its steps.")

    async def hurry() -> None:
        await interrupts.second.wait()
        runs.hurry()

    hurrying = asyncio.create_task(hurry())
    await session.in_thread(runs.cancel, _VIA, say)
    hurrying.cancel()


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
