"""``job scaffold-config``: a run config to begin with."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import parse_selection
from rayexec.cli.streams import results_on_stdout
from rayexec.config.run_config import scaffold_run_config
from rayexec.definitions.job import JobDefinition
from rayexec.errors import ConfigError
from rayexec.execute import prepare
from rayexec.launch.job_file import JobSource, load_job
from rayexec.plan import compile_job

__all__ = ["scaffold"]


@with_exit_code
def scaffold(source: JobSource, op_selection: tuple[str, ...], *, only_required: bool) -> int:
    """Print run config as YAML, and on standard error what in it has to be filled in before it is
    valid.
    """
    with results_on_stdout() as results:
        selection = parse_selection(op_selection)
        job = load_job(source)
        plan = compile_job(job, selection)
        document = scaffold_run_config(
            job, plan.ops_by_key, plan.open_inputs, only_required=only_required
        )
        results.write(_as_yaml(document, job))
        _say_what_is_missing(job, document, selection)
    return SUCCEEDED


def _as_yaml(document: dict[str, Any], job: JobDefinition) -> str:
    if not document:
        return f"# The job {job.name} runs without any config.\n{{}}\n"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False)


def _say_what_is_missing(
    job: JobDefinition, document: dict[str, Any], selection: list[str] | None
) -> None:
    """Name the placeholders that cannot be right as they stand, such as a string that has to match
    a pattern.
    """
    try:
        prepare(job, document, op_selection=selection)
    except ConfigError as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        sys.stderr.write(f"To be filled in before it can be used:\n{lines}\n")
