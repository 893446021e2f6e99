"""Results of commands on standard output: JSON documents and rich tables."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from rich.console import Console

__all__ = ["print_progress", "results_console", "write_json"]

_WIDTH_FOR_PROGRAMS = 10_000  # columns


def write_json(results: TextIO, document: Any) -> None:
    """Print a JSON document."""
    results.write(f"{json.dumps(document, indent=2, ensure_ascii=False, default=str)}\n")


def results_console(results: TextIO) -> Console:
    """Return a rich console on standard output.

    It cuts nothing to a width where a program reads, since there is no terminal then.
    """
    return Console(
        file=results,
        highlight=False,
        soft_wrap=True,
        width=None if results.isatty() else _WIDTH_FOR_PROGRAMS,
    )


def print_progress(line: str) -> None:
    """Print a line on standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
