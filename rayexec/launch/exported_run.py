"""Export of a run by a process of its own, so that a server keeps its memory and its breath."""

from __future__ import annotations

from pathlib import Path

from rayexec.launch.local_driver import program_arguments

__all__ = ["EXPORTS", "export_command"]

#: Kinds of exports: the option of ``rayexec run export``, and the ending and type of the file.
EXPORTS = {
    "html": ("--html", ".html", "text/html"),
    "parquet": ("--parquet", ".parquet", "application/vnd.apache.parquet"),
    "trace": ("--chrome-trace", ".json", "application/json"),
}


def export_command(store: str, run_id: str, kind: str, path: Path) -> list[str]:
    """Return the command line that writes a run into a file, as ``rayexec run export`` does."""
    option = EXPORTS[kind][0]
    return program_arguments(["run", "export", run_id, "--store", store, option, str(path)])
