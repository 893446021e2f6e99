"""``rayexec run export``: a recorded run as a page, a Parquet file and a trace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.attempts_parquet import write_parquet
from rayexec.cli.render.chrome_trace import write_trace
from rayexec.cli.render.page import write_page
from rayexec.launch.launched_run import locate_recorded
from rayexec.store import current
from rayexec.store.reading import StoredLog
from rayexec.views.log_damage import check_log

__all__ = ["export_run"]


@with_exit_code
def export_run(
    location: str | None,
    run_id: str,
    *,
    parquet: Path | None,
    chrome_trace: Path | None,
    html: Path | None,
) -> int:
    """Write a run into the given files."""
    if parquet is None and chrome_trace is None and html is None:
        complain("say what to write: --html FILE, --parquet FILE or --chrome-trace FILE.")
        return USAGE
    reader = locate_recorded(location, run_id).reader
    record, log = current(reader), StoredLog(reader)
    for path, write in ((parquet, write_parquet), (chrome_trace, write_trace), (html, write_page)):
        if path is None:
            continue
        try:
            attempts = write(path, record, log)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            complain(f"{path} cannot be written: {reason}")
            return USAGE
        sys.stdout.write(f"Wrote {path}: {attempts:,} attempts.\n")
    check_log(record, log)
    return SUCCEEDED
