"""A run as somebody writes it: run config as text, a selection, tags; checked, and previewed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from rayexec.config.chosen_engine import with_engine
from rayexec.config.document import merged_run_config
from rayexec.config.engine_traits import traits_of
from rayexec.config.execution import override_execution, resolve_execution
from rayexec.config.input_values import without_files
from rayexec.config.positions import (
    PlacedProblem,
    YamlText,
    YamlTextError,
    positions_of,
    read_yaml_text,
)
from rayexec.config.run_config import ResolvedConfig
from rayexec.config.yaml_files import config_from_yaml_strings
from rayexec.definitions.surroundings import RunInfo
from rayexec.definitions.tags import max_runtime, normalize_tags
from rayexec.errors import ConfigError, LoadError, Problem, RayexecError, SelectionError
from rayexec.events import user_traceback
from rayexec.execute import prepare
from rayexec.jobs import Job
from rayexec.launch.run_text import IN_PROCESS, ON_RAY, RunText
from rayexec.plan import Plan, compile_job
from rayexec.run.spec import RunSpec

__all__ = ["CheckedRun", "check_run", "on_ray_at"]

# First keys of problems that are not about the text.
_ELSEWHERE = (("selection",), ("tags",))


@dataclass(slots=True)
class CheckedRun:
    """The mistakes of a run, and the run as far as there is one."""

    text: RunText
    problems: list[Problem] = field(default_factory=list)
    #: The text as it was read, None where it is no YAML.
    read: YamlText | None = None
    #: Mistakes of YAML itself, with their places.
    yaml_problems: tuple[PlacedProblem, ...] = ()
    #: Run config, None where its text is no mapping.
    config: dict[str, Any] | None = None
    #: None where the selection is wrong.
    plan: Plan | None = None
    #: With mistakes of values, a run without them; None where the executor is unknown.
    spec: RunSpec | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the run can begin."""
        return not self.problems and not self.yaml_problems and self.spec is not None

    def placed_problems(self) -> list[dict[str, Any]]:
        """Return all problems as JSON-able data, those in the text with their places there.

        A problem elsewhere has no place.
        """
        elsewhere = [each for each in self.problems if each.path[:1] in _ELSEWHERE]
        inside = [each for each in self.problems if each.path[:1] not in _ELSEWHERE]
        placed = list(self.yaml_problems)
        if self.read is not None:
            placed += positions_of(self.read, inside)
        else:
            elsewhere = self.problems
        nowhere = dict.fromkeys(("line", "column", "end_line", "end_column", "fix"))
        return [
            *({**each.to_dict(), "path": ".".join(each.path)} for each in placed),
            *(
                {**nowhere, "path": ".".join(each.path), "message": each.message}
                for each in elsewhere
            ),
        ]

    @property
    def is_on_ray(self) -> bool:
        """Whether the run is on Ray, and its config names no cluster."""
        settings = None if self.spec is None else self.spec.config.execution
        return (
            settings is not None
            and settings.address is None
            and traits_of(settings.engine).uses_ray
        )

    def yaml_of_config(self) -> str:
        """Return a text with exactly the run config: the given one, if it has that."""
        if self.config is None:
            return self.text.yaml
        text = self.text.yaml if self.text.yaml.endswith("\n") else f"{self.text.yaml}\n"
        with contextlib.suppress(LoadError):
            if config_from_yaml_strings([text]) == self.config:
                return text
        return yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)

    def missing(self) -> list[str]:
        """Return the paths of values that the run needs and lacks."""
        return [
            ".".join(problem.path)
            for problem in self.problems
            if problem.path and problem.message.startswith(("missing", "a value is required"))
        ]


def check_run(job: Job, text: RunText) -> CheckedRun:
    """Return the run with all its mistakes; raises nothing for them."""
    checked = CheckedRun(text)
    _read_config(job, checked)
    _select(job, checked)
    tags = _read_tags(checked)
    if checked.plan is not None and checked.config is not None:
        _resolve(job, checked, tags)
    return checked


def on_ray_at(address: str, spec: RunSpec) -> RunSpec:
    """Return the run as it is where its driver attaches to the Ray at ``address``."""
    settings = override_execution(spec.config.execution, address=address)
    return replace(spec, config=replace(spec.config, execution=settings))


def _read_config(job: Job, checked: CheckedRun) -> None:
    text = checked.text
    try:
        checked.read = read = read_yaml_text(text.yaml)
        if read.value is not None and not isinstance(read.value, dict):
            kind = type(read.value).__name__
            checked.problems.append(Problem((), f"run config is a mapping, not a {kind}"))
            return
        checked.config = read.value or {}
        if text.where in (IN_PROCESS, ON_RAY):
            checked.config = with_engine(job, checked.config, text.where)
    except ConfigError as error:
        checked.problems += error.problems
    except YamlTextError as error:
        checked.yaml_problems = error.problems
    except Exception as error:  # a config mapping is the user's function
        checked.problems.append(_unexpected(error))


def _select(job: Job, checked: CheckedRun) -> None:
    try:
        checked.plan = compile_job(job, list(checked.text.selection) or None)
    except SelectionError as error:
        checked.problems.append(Problem(("selection",), str(error)))


def _read_tags(checked: CheckedRun) -> dict[str, Any] | None:
    """Return the tags; None, with a problem, if a run may not have them."""
    try:
        normal = normalize_tags(checked.text.tags, "tags of the run")
        max_runtime(normal, "tags of the run")
    except RayexecError as error:
        checked.problems.append(Problem(("tags",), str(error)))
        return None
    return dict(checked.text.tags)


def _resolve(job: Job, checked: CheckedRun, tags: dict[str, Any] | None) -> None:
    text = checked.text
    spec = None
    try:
        selection = list(text.selection) or None
        with contextlib.nullcontext() if text.reads_files else without_files():
            spec = prepare(job, checked.config, op_selection=selection, tags=tags)
    except ConfigError as error:
        checked.problems += error.problems
    except RayexecError as error:
        checked.problems.append(Problem((), str(error)))
    except Exception as error:  # a config mapping is the user's function
        checked.problems.append(_unexpected(error))
    if spec is None:
        spec = _without_values(job, checked)
    if spec is None:
        return
    try:
        settings = override_execution(spec.config.execution, max_concurrent=text.max_concurrent)
    except ConfigError as error:
        checked.problems += [
            Problem(("execution", *each.path), each.message) for each in error.problems
        ]
        return
    checked.spec = replace(spec, config=replace(spec.config, execution=settings))


def _without_values(job: Job, checked: CheckedRun) -> RunSpec | None:
    """Return the run with its executor alone; None where that is not known."""
    assert checked.plan is not None
    try:
        section = merged_run_config(job, checked.config).get("execution")
    except Exception:  # it is among the problems already
        return None
    settings, problems = resolve_execution(job.executor_def, section)
    if problems:
        return None
    config = ResolvedConfig({}, {}, {}, settings, "INFO", {}, {}, True)
    return RunSpec(checked.plan, RunInfo("", job.name), config, {})


def _unexpected(error: Exception) -> Problem:
    return Problem((), f"{type(error).__name__}: {error}\n\n{user_traceback(error)}")
