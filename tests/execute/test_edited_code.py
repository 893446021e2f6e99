"""Modules that are edited while their process goes on, as in a notebook: the next run has the code
of now.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec.definitions.code import import_file

JOB = """
    import os
    from rayexec import job, op
    import edited_helper
    from edited_space import part

    LOADED = []

    @op
    def seen():
        import edited_late
        LOADED.append(1)
        return os.getpid(), edited_helper.text(), part.N, edited_late.N, len(LOADED)

    @job
    def seeing():
        seen()
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A directory with a job in ``edited_job.py`` and what it imports; forgotten afterwards."""
    path = list(sys.path)
    edit(tmp_path, "edited_job.py", JOB.replace("\n    ", "\n"))
    edit(tmp_path, "edited_helper.py", "def text(): return 'old'\n")
    edit(tmp_path, "edited_space/part.py", "N = 1\n")
    edit(tmp_path, "edited_late.py", "N = 1\n")
    yield tmp_path
    sys.path[:] = path
    for name in [each for each in sys.modules if each.startswith("edited_")]:
        del sys.modules[name]


def edit(project: Path, name: str, text: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(text)


def seen(execute: Any, job: Any) -> list[Any]:
    result = execute(job, {"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    assert result.success, result.get_step_failure_events()
    return list(result.output_for_node("seen"))


def test_a_module_that_was_edited_and_reloaded_runs_as_it_is_now(
    execute_on_ray: Any, project: Path
) -> None:
    module = import_file(project / "edited_job.py")
    pid, *first = seen(execute_on_ray, module.seeing)
    assert first == ["old", 1, 1, 1]
    assert seen(execute_on_ray, module.seeing) == [
        pid,
        "old",
        1,
        1,
        2,
    ]  # nothing changed: its state stays

    edit(project, "edited_helper.py", "def text(): return 'newer'\n")
    edit(project, "edited_space/part.py", "N = 1000\n")
    edit(project, "edited_late.py", "N = 1000\n")
    for name in ("edited_helper", "edited_space.part"):
        importlib.reload(sys.modules[name])
    assert seen(execute_on_ray, module.seeing) == [pid, "newer", 1000, 1000, 1]

    (project / "edited_late.py").unlink()
    edit(project, "edited_helper.py", "def text(): return 'newest'\n")
    result = execute_on_ray(module.seeing)
    assert result.failure_data_for_node("seen").root.cls_name == "ModuleNotFoundError"
