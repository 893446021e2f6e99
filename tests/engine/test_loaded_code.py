"""Local modules that a worker process forgets, tested in a process of its own."""

from __future__ import annotations

import _json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json
import shutil
import sys
from pathlib import Path

from rayexec.engine.ray.worker.loaded_code import forget_changed
from rayexec.engine.ray.protocol.package import Package

import _json  # of the standard library, and compiled
Path("own").mkdir()
Path("own/__init__.py").touch()
shutil.copy(_json.__file__, "own")
Path("plain.py").touch()

def comes(**stamps):
    package = Package(b"", (), (), tuple(stamps.items()), "digest")
    names = {"json", "own", "own._json", "plain", "rayexec"}
    return forget_changed(package), sorted(names & sys.modules.keys())

print(comes(plain=1))
import own._json
import plain
print(comes(plain=1))
print(comes(plain=2))
import plain
print(comes(own=1))
"""


@pytest.mark.skipif(
    not hasattr(_json, "__file__"), reason="this Python has no compiled module in a file of its own"
)
def test_installed_modules_stay_and_so_do_unchanged_compiled_ones(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": ":".join([str(tmp_path), *map(str, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "(False, ['json', 'rayexec'])",
        "(False, ['json', 'own', 'own._json', 'plain', 'rayexec'])",
        "(True, ['json', 'own', 'own._json', 'rayexec'])",
        "(True, ['json', 'rayexec'])",
    ], done.stderr
