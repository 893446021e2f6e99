"""Metadata of outputs, failures and definitions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.errors import DefinitionError

__all__ = ["MetadataValue", "normalize_metadata"]


@dataclass(frozen=True, slots=True)
class MetadataValue:
    """One piece of metadata, as JSON-able data."""

    #: ``"int"``, ``"path"``, ``"md"``, …
    kind: str
    value: Any

    @staticmethod
    def text(text: str) -> MetadataValue:
        """Plain text."""
        return MetadataValue("text", text)

    @staticmethod
    def int(value: int) -> MetadataValue:
        """A whole number."""
        return MetadataValue("int", value)

    @staticmethod
    def float(value: float) -> MetadataValue:
        """A number with a fraction."""
        return MetadataValue("float", value)

    @staticmethod
    def bool(value: bool) -> MetadataValue:
        """Yes or no."""
        return MetadataValue("bool", value)

    @staticmethod
    def url(url: str) -> MetadataValue:
        """A web address."""
        return MetadataValue("url", url)

    @staticmethod
    def path(path: str | os.PathLike[str]) -> MetadataValue:
        """A path in a file system."""
        return MetadataValue("path", os.fspath(path))

    @staticmethod
    def json(data: Any) -> MetadataValue:
        """JSON-able data; raises DefinitionError for anything else."""
        try:
            json.dumps(data)
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"metadata of kind json must be JSON-able: {error}") from None
        return MetadataValue("json", data)

    @staticmethod
    def md(text: str) -> MetadataValue:
        """Markdown."""
        return MetadataValue("md", text)


def normalize_metadata(metadata: Mapping[str, Any] | None) -> dict[str, MetadataValue]:
    """Return ``metadata`` with every plain value wrapped by its kind.

    Raises DefinitionError for another key than a string, and for a value without a kind.
    """
    normal: dict[str, MetadataValue] = {}
    for key, value in (metadata or {}).items():
        if not isinstance(key, str):
            raise DefinitionError(f"metadata keys are strings, got {key!r}.")
        normal[key] = value if isinstance(value, MetadataValue) else _wrap(key, value)
    return normal


def _wrap(key: str, value: Any) -> MetadataValue:
    if value is None:
        return MetadataValue("null", None)
    if isinstance(value, bool):
        return MetadataValue("bool", value)
    if isinstance(value, (int, float, str)):
        return MetadataValue("text" if isinstance(value, str) else type(value).__name__, value)
    if isinstance(value, os.PathLike):
        return MetadataValue("path", os.fspath(value))
    if isinstance(value, (dict, list)):
        return MetadataValue.json(value)
    raise DefinitionError(
        f"metadata {key!r} holds a {type(value).__name__}: wrap it with one of MetadataValue's "
        f"kinds, or give text, a number, a path, or JSON-able data."
    )
