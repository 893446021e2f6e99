"""Entry point of the ``rayexec`` program: ready for an interrupt before any slow import."""

from __future__ import annotations

import gc
import sys

from rayexec.cli.exit_codes import FAILED, complain, interrupts_told

with interrupts_told():
    from rayexec._version import DISTRIBUTION, __version__
    from rayexec.cli.program import COMMANDS, Command, app, register_command
    from rayexec.cli.streams import survive_closed_pipes

__all__ = ["COMMANDS", "Command", "app", "main", "register_command"]


def _refuse_a_namesake() -> None:
    """Exit where another project's package of this name lies on top of this one."""
    package = sys.modules["rayexec"]
    if not hasattr(package, "__version__"):
        complain(
            f"{package.__file__} is of another project, which is called rayexec on the "
            "package index, and lies on top of this one. pip uninstall rayexec, then pip install "
            f"--force-reinstall {DISTRIBUTION}=={__version__}."
        )
        raise SystemExit(FAILED)


def main() -> None:
    """Run the command line; the entry point of the ``rayexec`` script."""
    with interrupts_told():
        survive_closed_pipes()
        _refuse_a_namesake()
        try:
            app()
        finally:
            # The process ends now: without this, Python would first look through all of Ray's
            # modules for garbage.
            gc.freeze()
