"""How a command ends: exit codes, and errors in words instead of tracebacks."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from rayexec.errors import EngineError, RayexecError, StoreError

__all__ = ["FAILED", "INTERRUPTED", "SUCCEEDED", "USAGE", "complain", "with_exit_code"]

SUCCEEDED, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # of what goes on until somebody ends it by Ctrl-C

P = ParamSpec("P")


def complain(message: str) -> None:
    """Print an error on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"Error: {message.rstrip()}\n")
    sys.stderr.flush()


def with_exit_code(command: Callable[P, int]) -> Callable[P, int]:
    """Make a command return an exit code where it raises an error that is not its own fault.

    A mistake in what was given is 2; an engine or a store that fails, and an interrupt, are 1.
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
