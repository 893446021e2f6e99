"""``migrate check``: the names of Dagster in files, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, USAGE, with_exit_code
from rayexec.cli.printable import printable_line
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.migration.name_table import Here
from rayexec.migration.source_uses import FileReport, read_tree

__all__ = ["check"]

_WIDTH = max(len(here.value) for here in Here)


@with_exit_code
def check(paths: Sequence[Path], *, only_problems: bool, as_json: bool) -> int:
    """Print what files use of Dagster; ``only_problems`` leaves out the rest."""
    with results_on_stdout() as results:
        reports = read_tree(paths)
        if as_json:
            write_json(results, {"files": [report.to_dict() for report in reports]})
        else:
            lines = [*_lines(reports, only_problems=only_problems), *_summary(reports)]
            results.writelines(f"{printable_line(line)}\n" for line in lines)
    if any(report.problem for report in reports):
        return USAGE
    return SUCCEEDED if all(report.works for report in reports) else FAILED


def _lines(reports: Sequence[FileReport], *, only_problems: bool) -> Iterator[str]:
    for report in reports:
        if report.problem:
            yield f"{report.path}: cannot be read: {report.problem}"
        for use in report.uses:
            if not (only_problems and use.here.works):
                note = f"  {use.note}" if use.note else ""
                yield f"{report.path}:{use.line}: {use.here.value:{_WIDTH}}  {use.name}{note}"


def _summary(reports: Sequence[FileReport]) -> Iterator[str]:
    readable = [report for report in reports if report.problem is None]
    importing = [report for report in readable if report.uses]
    count = Counter(use.here for report in readable for use in report.uses)
    running = sum(report.works for report in importing)
    yield (
        f"{_files(len(importing))} with Dagster, {running} of them with nothing but what works as "
        "it stands."
    )
    yield (
        f"Uses of names: {count[Here.SAME] + count[Here.BETTER]} work as they stand, "
        f"{count[Here.DIFFERS]} differ, {count[Here.ABSENT]} are not here."
    )
    if unreadable := len(reports) - len(readable):
        yield f"{_files(unreadable)} could not be read."


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
