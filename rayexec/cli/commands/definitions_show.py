"""``definitions list`` and ``definitions validate``: a whole file of definitions."""

from __future__ import annotations

from collections.abc import Iterator

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.printable import printable_line
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.errors import LoadError
from rayexec.launch.job_file import JobSource, check_source, find_job_set
from rayexec.views.definitions_outline import DefinitionsOutline, outline_of_definitions

__all__ = ["list_definitions", "validate_definitions"]


@with_exit_code
def list_definitions(source: JobSource, *, as_json: bool) -> int:
    """Print the jobs of a file with what they share, and what is left aside."""
    with results_on_stdout() as results:
        outline = outline_of_definitions(find_job_set(source).get_repository_def())
        if as_json:
            write_json(results, outline.to_dict())
        else:
            results.writelines(f"{printable_line(line)}\n" for line in _lines(outline))
    return SUCCEEDED


def _lines(outline: DefinitionsOutline) -> Iterator[str]:
    yield "Jobs:" if outline.jobs else "No jobs of ops."
    for job in outline.jobs:
        count = len(job.ops)
        parts = [f"{count:,} op{'' if count == 1 else 's'}"]
        parts += [f"resources {', '.join(job.resources)}"] if job.resources else []
        parts += [f"executor {job.executor}"] if job.executor else []
        parts += [f"loggers {', '.join(job.loggers)}"] if job.loggers else []
        yield f"  {job.name}: {'; '.join(parts)}"
    if outline.resources:
        yield f"Resources: {', '.join(outline.resources)}"
    if outline.executor is not None:
        yield f"Executor: {outline.executor}"
    if outline.loggers:
        yield f"Loggers: {', '.join(outline.loggers)}"
    if outline.left_aside:
        yield "Left aside:"
    by_reason: dict[tuple[str, str], list[str]] = {}
    for aside in outline.left_aside:
        by_reason.setdefault((aside["kind"], aside["reason"]), []).append(aside["name"])
    for (kind, reason), names in by_reason.items():
        yield f"  {kind}{'' if len(names) == 1 else 's'} {', '.join(names)}: {reason}"


@with_exit_code
def validate_definitions(source: JobSource, *, as_json: bool) -> int:
    """Load a file and compile its jobs; print all problems."""
    check_source(source)
    problems: list[str] = []
    count = 0
    with results_on_stdout() as results:
        try:
            job_set = find_job_set(source)
            problems = job_set.problems()
            count = 0 if problems else len(job_set.get_repository_def().job_names)
        except LoadError as error:
            problems = [str(error)]
        if as_json:
            write_json(results, {"valid": not problems, "problems": problems, "jobs": count})
        elif not problems:
            plural = "" if count == 1 else "s"
            results.write(f"{source.container}: {count} job{plural}, all valid.\n")
    if not as_json:
        for problem in problems:
            complain(problem)
    return FAILED if problems else SUCCEEDED
