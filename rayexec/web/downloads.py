"""Downloads of runs: files that processes of their own write, a few at once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiohttp import hdrs, web

from rayexec.launch.exported_run import EXPORTS, export_command
from rayexec.web.endpoints import ApiError
from rayexec.web.guard import attachment
from rayexec.web.open_runs import OpenRun
from rayexec.web.session import Session

__all__ = ["MOST_DOWNLOADS", "download"]

#: Downloads at once; each has a process that reads a whole run, and a file.
MOST_DOWNLOADS = 4
# A reader that takes nothing for so long holds a download that others want.
STALL_PATIENCE_S = 60.0
_RETRY_AFTER_S = 5
_CHUNK_BYTES = 256 * 1024
_EXPORT_PATIENCE_S = 600.0
_LOOK_INTERVAL_S = 0.5


async def download(
    session: Session, request: web.Request, run: OpenRun, kind: str
) -> web.StreamResponse:
    """Answer with a run as a file; raises ApiError while there are too many downloads."""
    if session.downloads >= MOST_DOWNLOADS:
        raise ApiError(
            429,
            f"{MOST_DOWNLOADS} downloads are under way, which is the most at once: try again "
            "when one of them has ended.",
            headers={hdrs.RETRY_AFTER: str(_RETRY_AFTER_S)},
        )
    session.downloads += 1
    directory = Path(tempfile.mkdtemp(prefix="rayexec-dev-"))
    try:
        _, ending, content_type = EXPORTS[kind]
        path = directory / f"run{ending}"
        await _export(export_command(str(run.run.store), run.run_id, kind, path), path, request)
        headers = attachment(f"run-{run.run_id}{ending}")
        headers[hdrs.CONTENT_LENGTH] = str(path.stat().st_size)
        headers[hdrs.CONTENT_TYPE] = content_type
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        with path.open("rb") as file:
            while chunk := await session.in_thread(file.read, _CHUNK_BYTES):
                await asyncio.wait_for(answer.write(chunk), STALL_PATIENCE_S)
        await answer.write_eof()
        return answer
    except asyncio.TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the reader of a download took nothing more") from None
    finally:
        session.downloads -= 1
        shutil.rmtree(directory, ignore_errors=True)


async def _export(command: Sequence[str], path: Path, request: web.Request) -> None:
    """Have a process write the file; it ends if nobody waits for the file any more."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + _EXPORT_PATIENCE_S
    output = asyncio.ensure_future(process.communicate())
    try:
        while not (await asyncio.wait({output}, timeout=_LOOK_INTERVAL_S))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("nobody waits for the download any more")
            if loop.time() > ends_at:
                raise ApiError(503, f"the export took more than {_EXPORT_PATIENCE_S:g} s.")
    finally:
        if process.returncode is None:
            process.kill()
        _, errors = await output
    if not path.exists():
        text = errors.decode("utf-8", "replace").strip().removeprefix("Error: ")
        raise ApiError(503, text or "the export wrote nothing.")
