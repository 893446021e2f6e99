"""``rayexec dev``: the browser door, from its start to Ctrl-C."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import say
from rayexec.launch.job_file import JobSource
from rayexec.web.dev import serve
from rayexec.web.server import Server
from rayexec.web.session import DoorOptions

__all__ = ["serve_pages"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@with_exit_code
def serve_pages(
    file: Path | None,
    module: str | None,
    *,
    port: int | None,
    host: str,
    allowed_hosts: tuple[str, ...],
    base_path: str,
    is_read_only: bool,
    opens_browser: bool,
    address: str | None,
    home: str | None,
) -> int:
    """Serve until Ctrl-C, SIGTERM or SIGHUP; return the exit code."""
    if file is not None and module is not None:
        complain("the jobs are in a file (-f FILE) or in a module (-m MODULE): give only one.")
        return USAGE
    if file is not None and file.suffix != ".py":
        complain(f"{file} is not a Python file: its name must end in .py.")
        return USAGE
    if home is not None:
        os.environ["RAYEXEC_HOME"] = home
    source = JobSource(file, module) if file is not None or module is not None else None
    path = base_path.strip("/")
    options = DoorOptions(
        source=source,
        address=address,
        is_read_only=is_read_only,
        # Without jobs, or to look only, nobody launches a run.
        warms_ray=source is not None and not is_read_only,
        base_path=f"/{path}/" if path else "/",
        host=host,
        allowed_hosts=tuple(name.lower() for name in allowed_hosts),
    )
    if host not in _LOOPBACK:
        say(
            f"Warning: this server listens on {host}, so other machines reach it. Whoever has the "
            "token runs code as you, and the traffic is not encrypted."
        )

    def started(server: Server) -> None:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        if opens_browser:
            webbrowser.open(server.url)

    with EndingSignals():
        try:
            serve(options, port, started)
        except KeyboardInterrupt:
            say("Ended.")
    return SUCCEEDED
