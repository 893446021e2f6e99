"""Answers about the user's jobs, as the child process ``launch.code_host`` gives them.

Each public method of ``CodeAnswers`` answers one kind of request with JSON-able data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayexec.errors import LoadError
from rayexec.jobs import Job
from rayexec.launch.job_file import JobSource
from rayexec.names import nearest

if TYPE_CHECKING:
    pass

__all__ = ["CodeAnswers"]


class CodeAnswers:
    """The jobs of a source, by their attributes."""

    def __init__(self, source: JobSource, jobs: Mapping[str, Job]) -> None:
        self._source = source
        self._jobs = jobs

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs in the order of their definition."""
        return [
            {
                "name": job.name,
                "attribute": attribute,
                "description": job.description,
                "ops": _count_ops(job.graph),
            }
            for attribute, job in self._jobs.items()
        ]

    def describe(self, job: str) -> dict[str, Any]:
        """Return the outline of a job with the details of its ops."""
        from rayexec.cluster import capacity_here
        from rayexec.views.job_details import details_of_job

        attribute, chosen = self._find(job)
        file, line = self._line_of(attribute, chosen)
        details = details_of_job(chosen, capacity_here())
        return {**details, "attribute": attribute, "file": file, "line": line}

    def select(self, job: str, selection: Sequence[str]) -> dict[str, Any]:
        """Return the paths of the selected ops; raises SelectionError."""
        from rayexec.plan import compile_job

        plan = compile_job(self._find(job)[1], selection or None)
        return {"selected": list(plan.ops_by_key), "ops": len(plan.ops_by_key)}

    def _find(self, name: str) -> tuple[str, Job]:
        """Return a job with its attribute, by its name or else by its attribute."""
        for attribute, job in self._jobs.items():
            if job.name == name:
                return attribute, job
        if name in self._jobs:
            return name, self._jobs[name]
        names = [job.name for job in self._jobs.values()]
        raise LoadError(
            f"{self._source.container} has no job {name!r}; it has {', '.join(names)}."
            f"{nearest(name, names)}"
        )

    def _line_of(self, attribute: str, job: Job) -> tuple[str | None, int | None]:
        """Return the file and line where a job is defined."""
        from rayexec.definitions.local_modules import local_modules
        from rayexec.views.job_details import line_of_definition

        main = None if self._source.file is None else os.path.abspath(self._source.file)
        if main is None and self._source.module is not None:
            main = getattr(sys.modules.get(self._source.module), "__file__", None)
        others = [each.file for each in local_modules().values()]
        for file in dict.fromkeys([*([] if main is None else [main]), *others]):
            try:
                text = Path(file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if (line := line_of_definition(text, [attribute, job.name])) is not None:
                return file, line
        return main, None


def _count_ops(graph: Any) -> int:
    nodes = getattr(graph, "nodes", None)
    return 1 if nodes is None else sum(_count_ops(node.definition) for node in nodes)
