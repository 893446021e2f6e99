"""Code of a run that is resumed: given anew, or as the record of the run names it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rayexec.errors import LoadError
from rayexec.launch.job_file import JobSource
from rayexec.store import RunRecord

__all__ = ["check_origin", "source_of_run"]


def check_origin(record: RunRecord, given: JobSource, *, has_address: bool) -> None:
    """Raise LoadError for what only a record of somebody else, or of another host, would tell.

    Its file would run as this user, and its address would get this user's token.
    """
    origin, lacking = record.origin, []
    if given.file is None and given.module is None:
        recorded = origin.get("file") or origin.get("module")
        named = f" (it names {recorded})" if recorded else ""
        lacking.append(f"the job's code with -f FILE or -m MODULE{named}")
    if "address" in origin and not has_address:
        lacking.append(
            f"the cluster with --address (it names {origin['address']}), or --address local for a "
            "Ray of this run alone"
        )
    if lacking:
        raise LoadError(
            f"nothing shows that you recorded run {record.run_id} on this host, so its record may "
            f"not choose code to import or a cluster to trust. Name {'; and '.join(lacking)}."
        )


def source_of_run(record: RunRecord, given: JobSource) -> JobSource:
    """Return the source of the run's job: the given one, else the recorded one."""
    origin = record.origin
    attribute = given.attribute or origin.get("attribute")
    if given.file is not None or given.module is not None:
        return replace(given, attribute=given.attribute, job=given.job or record.job_name)
    job = None if attribute else record.job_name
    if "file" in origin:
        file = Path(origin["file"])
        if not file.exists():
            raise LoadError(
                f"the file of run {record.run_id}, {file}, is not there any more: say where the "
                f"job is now with -f."
            )
        return JobSource(file, attribute=attribute, job=job)
    if "module" in origin:
        directory = origin.get("directory")
        if directory is not None and directory not in sys.path:
            sys.path.insert(0, directory)
        return JobSource(module=origin["module"], attribute=attribute, job=job)
    raise LoadError(
        f"the record of run {record.run_id} does not say where its job is: name it with -f FILE "
        f"or -m MODULE."
    )
