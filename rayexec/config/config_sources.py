"""Run config from YAML in files, texts and packages, for the ``config`` of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import glob
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from rayexec.config.yaml_files import deep_merge
from rayexec.errors import InvariantError

__all__ = ["config_from_files", "config_from_pkg_resources", "config_from_yaml_strings"]


def config_from_files(config_files: Sequence[str]) -> dict[str, Any]:
    """Return the merged run config of YAML files, given by names or patterns; a later one wins.

    Raises InvariantError for a pattern without a file, and for malformed YAML.
    """
    paths: list[str] = []
    for pattern in config_files:
        matches = sorted(glob(pattern))
        if not matches:
            raise InvariantError(f"config_from_files: there is no file {pattern!r}.")
        paths += matches
    return _merged({path: Path(path).read_text("utf-8") for path in paths})


def config_from_yaml_strings(yaml_strings: Sequence[str]) -> dict[str, Any]:
    """Return the merged run config of YAML texts; a later one wins.

    Raises InvariantError for malformed YAML.
    """
    return _merged({f"text {index}": text for index, text in enumerate(yaml_strings, start=1)})


def config_from_pkg_resources(pkg_resource_defs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the merged run config of YAML files in packages: pairs of a package and a file name.

    Raises InvariantError for a missing package or file, and for malformed YAML.
    """
    texts: dict[str, str] = {}
    for package, name in pkg_resource_defs:
        try:
            texts[f"{package}/{name}"] = files(package).joinpath(name).read_text("utf-8")
        except (ModuleNotFoundError, FileNotFoundError, UnicodeDecodeError) as error:
            raise InvariantError(
                f"config_from_pkg_resources: {name} of package {package} cannot be read: {error}"
            ) from error
    return _merged(texts)


def _merged(texts: Mapping[str, str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for where, text in texts.items():
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InvariantError(f"{where} is not YAML: {error}") from error
        if document is not None and not isinstance(document, dict):
            raise InvariantError(
                f"{where} must be a mapping with keys such as ops and resources, got "
                f"{type(document).__name__}."
            )
        merged = deep_merge(merged, document or {})
    return merged
