"""Console for tables on standard output."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

__all__ = ["results_console"]

_WIDTH_FOR_PROGRAMS = 10_000  # columns


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
