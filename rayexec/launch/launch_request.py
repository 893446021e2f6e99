"""Request for a launched run, and the command line that drives it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.config.execution_settings import overridable_keys
from rayexec.config.yaml_files import deep_merge, read_run_config
from rayexec.errors import LoadError
from rayexec.launch.job_file import JobSource
from rayexec.names import RUN_ID

__all__ = ["LaunchRequest", "execute_command", "origin_of", "resume_command"]


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A job and the options of its run.

    ``config_files`` are names or patterns of YAML files, and ``run_config`` goes over them.
    ``store`` is a directory or URI, or None for the default of the machine that drives the run.
    """

    source: JobSource
    run_id: str
    run_config: Mapping[str, Any] | None = None
    config_files: tuple[str, ...] = ()
    op_selection: tuple[str, ...] = ()
    tags: Mapping[str, Any] | None = None
    #: Overrides of executor keys, by name; None leaves a key.
    execution: Mapping[str, Any] = field(default_factory=dict)
    store: str | None = None
    step_selection: tuple[str, ...] = field(default=(), kw_only=True)
    #: A resumed run goes ahead beside another one of the same former run.
    is_forced: bool = field(default=False, kw_only=True)

    def checked_config(self) -> dict[str, Any] | None:
        """Return the run config of all sources, after a check of the request without its job.

        Raises LoadError for a mistake.
        """
        source = self.source
        if (source.file is None) == (source.module is None):
            advice = "give only one of them" if source.file is not None else "give one of them"
            raise LoadError(f"a job is in a file (-f FILE) or in a module (-m MODULE): {advice}.")
        if source.file is not None and source.file.suffix != ".py":
            raise LoadError(f"{source.file} is not a Python file: its name must end in .py.")
        if not RUN_ID.match(self.run_id):
            raise LoadError(
                f"--run-id {self.run_id!r}: use letters, digits, dots, underscores and hyphens."
            )
        from_files = read_run_config(self.config_files)
        if self.run_config is None:
            return from_files
        return deep_merge(from_files or {}, self.run_config)


def execute_command(
    request: LaunchRequest, file: str | None, config: Sequence[str], address: str | None = None
) -> list[str]:
    """Return the arguments of Python that execute the job.

    ``file`` and ``config`` are the paths of the job and of its run config for the driver.
    """
    options = _options(request, request.source, file, config, address)
    return ["-m", "rayexec", "job", "execute", *options]


def resume_command(
    request: LaunchRequest,
    former_run_id: str,
    file: str | None,
    config: Sequence[str],
    address: str | None = None,
) -> list[str]:
    """Return the arguments of Python that resume a run; its record names the job."""
    source = JobSource(request.source.file, request.source.module, request.source.attribute)
    options = _options(request, source, file, config, address)
    steps = [f"-s{clause}" for clause in request.step_selection]
    force = ["--force"] if request.is_forced else []
    return ["-m", "rayexec", "run", "resume", former_run_id, *options, *steps, *force]


def _options(
    request: LaunchRequest,
    source: JobSource,
    file: str | None,
    config: Sequence[str],
    address: str | None,
) -> list[str]:
    options = {
        "-f": file,
        "-m": source.module,
        "-a": source.attribute,
        "-j": source.job,
        "--tags": None if request.tags is None else json.dumps(dict(request.tags)),
        "--address": address,
        "--run-id": request.run_id,
    }
    # One argument for an option and its value, since a value may begin with a hyphen.
    arguments = [
        f"{name}={value}" if name.startswith("--") else f"{name}{value}"
        for name, value in options.items()
        if value
    ]
    arguments += [f"-c{path}" for path in config]
    arguments += [f"-o{clause}" for clause in request.op_selection]
    keys = overridable_keys()
    for name, value in request.execution.items():
        option = keys[name].option
        if value is not None and option is not None:
            arguments += option.arguments(value)
    return arguments


def origin_of(source: JobSource) -> dict[str, str]:
    """Return the source of a job in the form of a note."""
    file = None if source.file is None else str(source.file.absolute())
    origin = {
        "file": file,
        "module": source.module,
        "attribute": source.attribute,
        "job": source.job,
    }
    return {name: value for name, value in origin.items() if value is not None}
