"""Body of ``cluster manifest``: a description of a cluster from options."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cluster.manifest import manifest, notes
from rayexec.cluster.manifest_spec import read_manifest_spec
from rayexec.errors import LoadError, Problem

__all__ = ["print_manifest"]

LARGEST_JOB_FILE_BYTES = 900_000  # Kubernetes keeps at most a MiB in a ConfigMap


@with_exit_code
def print_manifest(options: Mapping[str, Any]) -> int:
    """Print the manifest of the cluster that options describe."""
    path = options.get("job_file")
    job, wrong = None, []
    if path is not None and options.get("kind") == "kuberay-job":
        try:
            job = _job(path)
        except LoadError as error:
            wrong.append(Problem(("--job-file",), str(error)))
            job = "", ""
    spec, problems = read_manifest_spec(options, job)
    problems = [*wrong, *problems]
    if problems:
        lines = [": ".join((*problem.path, problem.message)) for problem in problems]
        if len(lines) == 1:
            complain(lines[0])
        else:
            complain(
                f"{len(lines)} mistakes in what is asked for:\n"
                + "\n".join(f"  {line}" for line in lines)
            )
        return USAGE
    text = manifest(spec)
    for note in notes(spec):
        sys.stderr.write(f"Note: {note}\n")
    sys.stdout.write(f"{_origin(options)}{text}")
    return SUCCEEDED


def _origin(options: Mapping[str, Any]) -> str:
    """Return a comment with the command of the manifest, by which it can be made again."""
    arguments = ["rayexec", "cluster", "manifest"]
    for name, value in options.items():
        option = f"--{name.removesuffix('s') if isinstance(value, list) else name}".replace(
            "_", "-"
        )
        for argument in value if isinstance(value, list) else [value] if value is not None else []:
            arguments += [option, argument]
    command = shlex.join(arguments)
    return f"# Made by: {command}\n#\n" if command.isprintable() else ""


def _job(path: str) -> tuple[str, str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from error
    name = Path(path).name
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise LoadError(
            f"Kubernetes takes no file named {name!r}; use letters, digits, '.', '-' and '_'."
        )
    if len(text.encode()) > LARGEST_JOB_FILE_BYTES:
        raise LoadError(
            f"{path} is larger than Kubernetes keeps; put it into the image and run it from there."
        )
    if re.search(r"[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text):
        raise LoadError(f"{path} holds characters that YAML does not take.")
    return name, text
