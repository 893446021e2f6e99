"""``job scaffold-config``: a run config to begin with."""

from __future__ import annotations

import sys

import yaml

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import parse_selection
from rayexec.cli.streams import results_on_stdout
from rayexec.launch.job_file import JobSource, load_job
from rayexec.views.config_outline import ConfigOutline, outline_of_config

__all__ = ["scaffold"]


@with_exit_code
def scaffold(source: JobSource, op_selection: tuple[str, ...], *, only_required: bool) -> int:
    """Print run config as YAML, and on standard error its gaps."""
    with results_on_stdout() as results:
        selection = parse_selection(op_selection)
        outline = outline_of_config(load_job(source), selection, only_required=only_required)
        results.write(_yaml(outline))
    if outline.problems:
        lines = "\n".join(f"  {problem}" for problem in outline.problems)
        sys.stderr.write(f"To be filled in before it can be used:\n{lines}\n")
    return SUCCEEDED


def _yaml(outline: ConfigOutline) -> str:
    if not outline.document:
        return f"# The job {outline.job} runs without any config.\n{{}}\n"
    text: str = yaml.safe_dump(
        outline.document, sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return text + "".join(f"{line}\n" for line in outline.comments)
