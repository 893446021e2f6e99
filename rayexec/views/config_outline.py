"""Outline of the run config of a job: a document to begin with, and its gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.config.run_config_scaffold import execution_comment, scaffold_run_config
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.errors import ConfigError
from rayexec.execute import prepare
from rayexec.plan import compile_job

__all__ = ["ConfigOutline", "outline_of_config"]


@dataclass(frozen=True, slots=True)
class ConfigOutline:
    """Run config with defaults and placeholders, as YAML and JSON can hold it."""

    job: str
    document: dict[str, Any]
    #: Problems with placeholders, such as a string that a pattern refuses.
    problems: list[str]
    #: Lines of YAML, as comments, for what is better left out.
    comments: list[str]


def outline_of_config(
    job: JobDefinition, op_selection: Sequence[str] | None, *, only_required: bool
) -> ConfigOutline:
    """Return the outline of the config for the selected ops of a job."""
    plan = compile_job(job, op_selection)
    document = scaffold_run_config(
        job, plan.ops_by_key, plan.open_inputs, only_required=only_required
    )
    comments = [] if only_required else execution_comment(job.executor_def.name)
    problems = _problems(job, document, op_selection)
    return ConfigOutline(job.name, document, problems, comments)


def _problems(
    job: JobDefinition, document: dict[str, Any], op_selection: Sequence[str] | None
) -> list[str]:
    try:
        prepare(job, document, op_selection=op_selection)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []
