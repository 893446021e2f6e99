"""The example jobs, loaded from their files or run by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rayexec import JobDefinition
from rayexec.definitions.code import import_file

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def load_job(file: str, name: str) -> JobDefinition:
    definition = getattr(import_file(EXAMPLES / file), name)
    assert isinstance(definition, JobDefinition)
    return definition


def run_command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``rayexec`` in a process of its own, with a Ray of its own."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "COLUMNS")
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
