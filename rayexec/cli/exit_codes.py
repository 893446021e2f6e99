"""Exit codes of commands, and errors as messages instead of tracebacks."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec

from rayexec.cli.printable import printable_text
from rayexec.errors import EngineError, RayexecError, StoreError

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "SUCCEEDED",
    "USAGE",
    "complain",
    "interrupts_told",
    "with_exit_code",
]

SUCCEEDED, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # of commands that last until Ctrl-C; any other ends with FAILED

P = ParamSpec("P")


def complain(message: str) -> None:
    """Print an error on standard error; it may quote what a record says."""
    sys.stdout.flush()
    sys.stderr.write(f"Error: {printable_text(message.rstrip())}\n")
    sys.stderr.flush()


def with_exit_code(command: Callable[P, int]) -> Callable[P, int]:
    """Make a command return an exit code for the errors of rayexec.

    It is 2 for a mistake in the input, and 1 for a failed engine or store and for an interrupt.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except (EngineError, StoreError) as error:
            complain(str(error))
            return FAILED
        except RayexecError as error:
            complain(str(error))
            return USAGE
        except KeyboardInterrupt:
            complain("Interrupted.")
            return FAILED

    return run


@contextlib.contextmanager
def interrupts_told() -> Iterator[None]:
    """Make an interrupt in the ``with`` block end the process as one inside a command does."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        # Typer makes one of its own exits of an interrupt, with another code.
        if not isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            raise
    else:
        return
    complain("Interrupted.")
    raise SystemExit(FAILED)
