"""``job list`` and ``job print``: the jobs of a file, and the nodes of one of them."""

from __future__ import annotations

from collections.abc import Iterator

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import parse_selection
from rayexec.cli.printable import printable_line, printable_text
from rayexec.cli.render.tree import tree_lines
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.launch.job_file import JobSource, find_jobs, load_job
from rayexec.views.job_outline import JobListing, list_job, outline_of_job

__all__ = ["list_jobs", "print_job"]

_OPS_SHOWN = 20


@with_exit_code
def list_jobs(source: JobSource, *, as_json: bool) -> int:
    """Print the jobs of a file with their descriptions and ops."""
    with results_on_stdout() as results:
        jobs = [list_job(attribute, job) for attribute, job in find_jobs(source).items()]
        if as_json:
            write_json(results, {"jobs": [job.to_dict() for job in jobs]})
        else:
            listed = "\n\n".join("\n".join(_lines(job)) for job in jobs)
            results.write(f"{printable_text(listed)}\n")
    return SUCCEEDED


def _lines(job: JobListing) -> Iterator[str]:
    yield job.name if job.name == job.attribute else f"{job.name} (attribute {job.attribute})"
    if job.description:
        yield from (f"  {line}".rstrip() for line in job.description.splitlines())
    count = len(job.ops)
    more = f" and {count - _OPS_SHOWN:,} more" if count > _OPS_SHOWN else ""
    yield f"  {count:,} op{'' if count == 1 else 's'}: {', '.join(job.ops[:_OPS_SHOWN])}{more}"


@with_exit_code
def print_job(source: JobSource, op_selection: tuple[str, ...], *, as_json: bool) -> int:
    """Print a job as a tree of its nodes."""
    with results_on_stdout() as results:
        outline = outline_of_job(load_job(source), parse_selection(op_selection))
        if as_json:
            write_json(results, outline.to_dict())
        else:
            results.writelines(f"{printable_line(line)}\n" for line in tree_lines(outline))
    return SUCCEEDED
