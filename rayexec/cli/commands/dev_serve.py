"""``rayexec dev``: the browser door, from its start to Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import webbrowser
from pathlib import Path

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import say
from rayexec.cluster.gcs_watch import answers
from rayexec.launch.job_file import JobSource
from rayexec.launch.module_search import is_findable
from rayexec.web.dev import serve
from rayexec.web.server import Server
from rayexec.web.session import DoorOptions

__all__ = ["serve_pages"]

_PATH = re.compile(r"[A-Za-z0-9/_.~@%-]*\Z")
_ANSWER_TIMEOUT_S = 1.0
_HOST = re.compile(r"[A-Za-z0-9_.-]+(:\d{1,5})?\Z")
_ADDRESS = re.compile(r"auto|([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}\Z")
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
    if module is not None and not is_findable(module):
        complain(
            f"there is no module {module!r} here: give its name as in an import, and start in the "
            "directory that holds it."
        )
        return USAGE
    if address is not None and not _ADDRESS.match(address):
        complain(
            f"--address {address!r} is no address of a Ray: give HOST:PORT, such as "
            "10.0.0.5:6379, or auto for the cluster of this machine."
        )
        return USAGE
    if not _PATH.match(base_path):
        complain(f"--base-path {base_path!r}: a path has letters, digits, and /, -, _, ., ~, @, %.")
        return USAGE
    if odd := [name for name in allowed_hosts if not _HOST.match(name)]:
        complain(f"--allow-host {odd[0]!r}: give a name such as hub.example.com, without http://.")
        return USAGE
    if home is not None:
        # Launched runs, the code and all else must have the same store.
        os.environ["RAYEXEC_HOME"] = home if "://" in home else str(Path(home).absolute())
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

    if address not in (None, "auto") and not answers(address, _ANSWER_TIMEOUT_S):
        say(f"Warning: no Ray answers at {address} now. Runs start there once it does.")

    def started(server: Server) -> None:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        has_ray = options.warms_ray and address is None
        say(f"Ctrl-C ends it{', with the Ray that it starts' if has_ray else ''}.")
        if opens_browser:
            # It may take long, or be a program in this terminal.
            threading.Thread(target=_open, args=(server.opening_url(),), daemon=True).start()

    with EndingSignals() as signals:
        # An interrupt before the server has begun is raised; later ones end it in order.
        with contextlib.suppress(KeyboardInterrupt):
            serve(options, port, started, say)
        signals.ignore()
        say("Ended.")
    signals.ignore()  # for good: only the exit of this process is left
    return SUCCEEDED


def _open(url: str) -> None:
    with contextlib.suppress(Exception):  # Whatever it is, the address is on the terminal.
        webbrowser.open(url)
