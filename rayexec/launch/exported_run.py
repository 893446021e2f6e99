"""Export of a run by a process of its own, so that a server keeps its memory and its breath."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rayexec.errors import StoreError
from rayexec.launch.local_driver import program_arguments

__all__ = ["EXPORTS", "export_run"]

#: Kinds of exports: the option of ``rayexec run export``, and the ending and type of the file.
EXPORTS = {
    "html": ("--html", ".html", "text/html"),
    "parquet": ("--parquet", ".parquet", "application/vnd.apache.parquet"),
    "trace": ("--chrome-trace", ".json", "application/json"),
}
_PATIENCE_S = 600.0


def export_run(store: str, run_id: str, kind: str, path: Path) -> None:
    """Write a run into a file, as ``rayexec run export`` does; raises StoreError with its words."""
    option = EXPORTS[kind][0]
    command = ["run", "export", run_id, "--store", store, option, str(path)]
    try:
        done = subprocess.run(
            program_arguments(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StoreError(f"the export of run {run_id} took more than {_PATIENCE_S:g} s.") from None
    if not path.exists():
        raise StoreError(done.stderr.strip().removeprefix("Error: ") or "the export wrote nothing.")
