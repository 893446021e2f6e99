"""Equivalents of a run in other doors: a command of the shell, and a snippet of Python."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.launch.job_file import JobSource

__all__ = ["RunToCopy", "command_for", "literal", "python_for"]

_WIDTH = 88
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class RunToCopy:
    """A run that somebody is about to launch or to resume.

    A resumed run has the selection and the tags of the former one.
    """

    source: JobSource
    #: Run config as data, and as the user's text.
    config: Mapping[str, Any] = field(default_factory=dict)
    yaml: str = ""
    selection: Sequence[str] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)
    max_concurrent: int | None = None
    #: The address of a Ray that a driver on this machine attaches to.
    attach: str | None = None
    #: The address of a cluster's dashboard, which starts the driver there.
    dashboard: str | None = None
    store: str | None = None
    #: The working directory, where a module is looked for first.
    directory: str | None = None
    #: The run to resume, and clauses over its steps; without clauses from its failure.
    resume_from: str | None = None
    steps: Sequence[str] = ()


def command_for(run: RunToCopy) -> str:
    """Return the command of a POSIX shell that runs the same."""
    if run.resume_from is not None:
        arguments = ["rayexec", "run", "resume", run.resume_from]
        if run.store is not None:
            arguments.append(f"--store={run.store}")
    elif run.dashboard is not None:
        arguments = ["rayexec", "job", "launch", f"--address={run.dashboard}"]
    else:
        arguments = ["rayexec", "job", "execute"]
    arguments += _source_options(run)
    if run.config:
        arguments += ["-c", "/dev/stdin"]
    if run.resume_from is not None:
        arguments += [part for clause in run.steps for part in _option("-s", clause)]
    else:
        arguments += [part for clause in run.selection for part in _option("-o", clause)]
    if run.tags and run.resume_from is None:
        arguments += ["--tags", json.dumps(dict(run.tags), ensure_ascii=False)]
    if run.max_concurrent is not None:
        arguments += ["--max-concurrent", str(run.max_concurrent)]
    if run.attach is not None:
        arguments.append(f"--address={run.attach}")
    command = shlex.join(arguments)
    if run.store is not None and run.resume_from is None:
        command = f"RAYEXEC_HOME={shlex.quote(run.store)} {command}"
    if run.source.module is not None and run.directory is not None:
        command = f"cd {shlex.quote(run.directory)} && {command}"
    if not run.config:
        return f"{command}\n"
    text = run.yaml if run.yaml.endswith("\n") else f"{run.yaml}\n"
    end = _delimiter(text)
    return f"{command} <<'{end}'\n{text}{end}\n"


def _source_options(run: RunToCopy) -> list[str]:
    source = run.source
    arguments = []
    if source.file is not None:
        arguments += _option("-f", str(source.file.absolute()))
    if source.module is not None:
        arguments += _option("-m", source.module)
    if source.attribute is not None:
        arguments += _option("-a", source.attribute)
    if source.job is not None and run.resume_from is None:  # else its record names the job
        arguments += _option("-j", source.job)
    return arguments


def _option(flag: str, value: str) -> list[str]:
    """Return an option with its value, in one part if that begins with a hyphen."""
    return [f"{flag}{value}"] if value.startswith("-") else [flag, value]


def _delimiter(text: str) -> str:
    """Return a part that is no line of a text."""
    lines, name, count = set(text.splitlines()), "YAML", 1
    while name in lines:
        count += 1
        name = f"YAML_{count}"
    return name


def python_for(run: RunToCopy) -> str:
    """Return the lines of Python that run the same."""
    arguments = _python_arguments(run)
    if run.resume_from is None:
        head = "from rayexec import launch_job\n\n"
        call = f"run = launch_job(\n{''.join(arguments)})\n"
        return f"{_imports(run)}{head}{call}print(run.run_id, run.wait())\n"
    source = run.source
    where = ", ".join(_source_arguments(source))
    options = (
        f"ReexecutionOptions({_scalar(run.resume_from)}, {literal(list(run.steps))})"
        if run.steps
        else f"ReexecutionOptions.from_failure({_scalar(run.resume_from)})"
    )
    return (
        f"{_imports(run)}from pathlib import Path\n\n"
        "from rayexec import ReexecutionOptions, execute_job\n"
        "from rayexec.launch.job_file import JobSource, load_job\n\n"
        f"result = execute_job(\n{_INDENT}load_job(JobSource({where})),\n"
        f"{_INDENT}reexecution_options={options},\n{''.join(arguments)})\n"
        "print(result.run_id, result.success)\n"
    )


def _source_arguments(source: JobSource) -> Iterator[str]:
    if source.file is not None:
        yield f"file=Path({_scalar(str(source.file.absolute()))})"
    for name in ("module", "attribute", "job"):
        if (value := getattr(source, name)) is not None:
            yield f"{name}={_scalar(value)}"


def _python_arguments(run: RunToCopy) -> list[str]:
    source, values = run.source, dict[str, Any]()
    if run.resume_from is None:
        values["file"] = None if source.file is None else str(source.file.absolute())
        values |= {"module": source.module, "attribute": source.attribute, "job": source.job}
        values |= {"address": run.dashboard, "attach": run.attach}
        values["op_selection"] = list(run.selection) or None
        values["tags"] = dict(run.tags) or None
    else:
        values["address"] = run.attach
    values["run_config"] = dict(run.config) or None
    values["store"] = run.store
    values["max_concurrent"] = run.max_concurrent
    return [
        f"{_INDENT}{name}={literal(value, _INDENT)},\n"
        for name, value in values.items()
        if value is not None
    ]


def _imports(run: RunToCopy) -> str:
    """Return what precedes the imports of rayexec."""
    is_module = run.source.module is not None and run.directory is not None
    modules = ["datetime"] if "datetime." in literal(dict(run.config)) else []
    modules += ["os"] if is_module else []
    lines = [f"import {module}\n" for module in modules]
    if is_module:
        lines.append(f"\nos.chdir({_scalar(run.directory)})\n")
    return "".join([*lines, "\n"]) if lines else ""


def literal(value: Any, margin: str = "") -> str:
    """Return a value of YAML as Python writes it, over several lines where it is long.

    ``margin`` is the indent of the line with its first character.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    inner = f"{margin}{_INDENT}"
    if isinstance(value, Mapping):
        parts = [f"{literal(key, inner)}: {literal(each, inner)}" for key, each in value.items()]
        brackets = "{}"
    elif isinstance(value, (list, tuple)):
        parts = [literal(each, inner) for each in value]
        brackets = "[]" if isinstance(value, list) else "()"
        if len(parts) == 1 and brackets == "()":
            return f"({parts[0]},)"
    else:
        return _scalar(value)
    line = f"{brackets[0]}{', '.join(parts)}{brackets[1]}"
    if len(margin) + len(line) <= _WIDTH and "\n" not in line:
        return line
    lines = "".join(f"{inner}{part},\n" for part in parts)
    return f"{brackets[0]}\n{lines}{margin}{brackets[1]}"


def _scalar(value: object) -> str:
    """Return ``repr``, with double quotes for a string where that needs no change."""
    text = repr(value)
    if isinstance(value, str) and text[0] == "'" and '"' not in value:
        return f'"{text[1:-1]}"'
    return text
