"""Run config from YAML files: read, checked and merged."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from rayexec.config.yaml_text import YamlTextError, read_yaml_text
from rayexec.errors import InvariantError, LoadError

__all__ = [
    "config_from_files",
    "config_from_pkg_resources",
    "config_from_yaml_strings",
    "deep_merge",
    "read_run_config",
    "read_yaml",
]


class ConfigFileError(LoadError, InvariantError):
    """A file or text of run config is missing, or is not the YAML of a mapping."""


_FORM = "run config is a mapping with keys such as ops and resources"


def config_from_files(config_files: Sequence[str]) -> dict[str, Any]:
    """Return the merged run config of YAML files; a later file wins.

    A name may be a pattern such as ``conf/*.yaml``. Raises ConfigFileError, with the position, for
    a missing or malformed file.
    """
    return read_run_config(config_files) or {}


def config_from_yaml_strings(yaml_strings: Sequence[str]) -> dict[str, Any]:
    """Return the merged run config of YAML texts; a later one wins. Raises ConfigFileError."""
    merged: dict[str, Any] = {}
    for position, text in enumerate(yaml_strings, 1):
        merged = deep_merge(merged, _parse(text, f"YAML string {position}", _FORM))
    return merged


def config_from_pkg_resources(pkg_resource_defs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the merged run config of YAML files in packages: pairs of package and path in it.

    Raises ConfigFileError for a package or a file that is not there, and for a malformed file.
    """
    texts = []
    for package, path in pkg_resource_defs:
        try:
            texts.append(resources.files(package).joinpath(path).read_text("utf-8"))
        except (ImportError, OSError, UnicodeDecodeError) as error:
            raise ConfigFileError(f"cannot read {path} in package {package}: {error}") from None
    return config_from_yaml_strings(texts)


def read_run_config(patterns: Sequence[str]) -> dict[str, Any] | None:
    """Return the merged run config of files, given by names or patterns; None without any.

    A later file wins. Raises ConfigFileError, with the position, for a missing or malformed file.
    """
    if not patterns:
        return None
    merged: dict[str, Any] = {}
    for pattern in patterns:
        for path in _files(pattern):
            merged = deep_merge(
                merged,
                read_yaml(path, _FORM),
            )
    return merged


def _files(pattern: str) -> list[str]:
    if os.path.exists(pattern):
        if os.path.isdir(pattern):
            raise ConfigFileError(
                f"{pattern} is a directory; to read the config files in it, write -c "
                f"'{pattern}/*.yaml'."
            )
        return [pattern]
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        is_pattern = glob.has_magic(pattern)
        raise ConfigFileError(
            f"no config file matches {pattern}"
            if is_pattern
            else f"there is no config file {pattern}"
        )
    return paths


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``over`` merged over ``base``: mappings merge key by key, other values replace."""
    merged = dict(base)
    for key, value in over.items():
        default = merged.get(key)
        merged[key] = (
            deep_merge(default, value)
            if isinstance(default, dict) and isinstance(value, dict)
            else value
        )
    return merged


def read_yaml(path: str, form: str) -> dict[str, Any]:
    """Return the mapping in a YAML file, empty for an empty file.

    Raises ConfigFileError, with the position, for a malformed file. For other content than a
    mapping the error says ``form``, the expected content.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ConfigFileError(f"cannot read config file {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigFileError(
            f"config file {path} is not UTF-8 text: {error.reason} at byte {error.start}."
        ) from None
    return _parse(text, f"config file {path}", form)


def _parse(text: str, where: str, form: str) -> dict[str, Any]:
    """Return the mapping in a YAML text from ``where``."""
    try:
        document = read_yaml_text(text, max_characters=None).value
    except YamlTextError as error:
        raise ConfigFileError(_describe(where, text, error)) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigFileError(f"{where} holds a {type(document).__name__}; {form}.")
    return document


def _describe(where: str, text: str, error: YamlTextError) -> str:
    """Return the message for an error, with the position and the line of text."""
    first, *others = error.problems
    lines = re.split(r"\r\n|\n|\r", text)
    shown = ""
    if first.line <= len(lines):
        line = lines[first.line - 1]
        before = line[: first.column - 1]
        pointer = "".join("\t" if character == "\t" else " " for character in before)
        shown = f"\n\n  {line}\n  {pointer}^"
    around = f" ({error.context})" if error.context else ""
    more = "".join(f"\nline {each.line}, column {each.column}: {each.message}" for each in others)
    position = f"{where.removeprefix('config file ')}, line {first.line}, column {first.column}"
    return f"{position}: not valid YAML: {first.message}{around}{shown}{more}"
