"""Events that ops yield or log about the world outside of a run: data written, seen or tested."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import total_ordering
from typing import Any, TypeAlias

from rayexec.definitions.metadata import MetadataValue, normalize_metadata
from rayexec.errors import DefinitionError

__all__ = [
    "USER_EVENTS",
    "AssetKey",
    "AssetMaterialization",
    "AssetObservation",
    "ExpectationResult",
    "UserEvent",
]

_NO_PART_OF_A_NAME = re.compile("[^a-zA-Z0-9_]")


@total_ordering
@dataclass(frozen=True, init=False)
class AssetKey:
    """The name of a table, file or model: one part or several, the outermost first.

    Raises DefinitionError for anything but a string or a sequence of strings.
    """

    parts: tuple[str, ...]

    def __init__(self, path: str | Sequence[str]) -> None:
        if isinstance(path, str):
            parts: tuple[str, ...] = (path,)
        elif isinstance(path, (list, tuple)) and all(isinstance(each, str) for each in path):
            parts = tuple(path)
        else:
            raise DefinitionError(f"an AssetKey is a string or a list of strings, got {path!r}.")
        object.__setattr__(self, "parts", parts)

    @staticmethod
    def from_coercible(given: CoercibleToAssetKey) -> AssetKey:
        """Return ``given`` as a key: a key itself, one part, or a sequence of parts."""
        return given if isinstance(given, AssetKey) else AssetKey(given)

    @staticmethod
    def from_user_string(text: str) -> AssetKey:
        """Return the key of ``"a/b"``."""
        return AssetKey(text.split("/"))

    @staticmethod
    def from_db_string(text: str | None) -> AssetKey | None:
        """Return the key of ``'["a", "b"]'`` or of ``"a/b"``; None for no text."""
        if not text:
            return None
        if text.startswith("["):
            try:
                return AssetKey(json.loads(text))
            except ValueError:
                pass
        return _parsed(text)

    @property
    def path(self) -> list[str]:
        """The parts as a list."""
        return list(self.parts)

    def to_user_string(self) -> str:
        """Return ``"a/b"``."""
        return "/".join(self.parts)

    def to_string(self) -> str:
        """Return ``'["a", "b"]'``."""
        return json.dumps(self.path)

    def to_python_identifier(self, suffix: str | None = None) -> str:
        """Return ``"a__b"``, a name for ops and IO managers, with ``suffix`` as a last part."""
        parts = self.parts if suffix is None else (*self.parts, suffix)
        return "__".join(parts).replace("-", "_").replace(".", "_")

    def has_prefix(self, prefix: Sequence[str]) -> bool:
        """Whether the key begins with these parts."""
        return self.parts[: len(prefix)] == tuple(prefix)

    def with_prefix(self, prefix: str | Sequence[str]) -> AssetKey:
        """Return the key with more parts in front."""
        return AssetKey([*([prefix] if isinstance(prefix, str) else prefix), *self.parts])

    def __lt__(self, other: object) -> bool:
        return self.parts < other.parts if isinstance(other, AssetKey) else NotImplemented

    def __repr__(self) -> str:
        return f"AssetKey({self.path})"


CoercibleToAssetKey: TypeAlias = "AssetKey | str | Sequence[str]"


def _parsed(text: str) -> AssetKey:
    """Return the key of a path in any notation, such as ``"s3://a/b"``."""
    return AssetKey([part for part in _NO_PART_OF_A_NAME.split(text) if part])


def _key(given: CoercibleToAssetKey) -> AssetKey:
    return _parsed(given) if isinstance(given, str) else AssetKey.from_coercible(given)


def _check_tags(tags: Mapping[str, str] | None, where: str) -> None:
    for key, value in (tags or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise DefinitionError(f"{where}: tags are strings by name, got {key!r}: {value!r}.")


@dataclass(frozen=True)
class AssetMaterialization:
    """The statement of an op that it wrote an asset: a table, a file, a model.

    A string as the key is split where it has another character than letters, digits and
    underscores. Raises DefinitionError for something that is no key, tag or metadata.
    """

    asset_key: AssetKey
    description: str | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    partition: str | None = None
    tags: Mapping[str, str] | None = None

    def __init__(
        self,
        asset_key: CoercibleToAssetKey,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        _check_tags(tags, "AssetMaterialization")
        _set(
            self,
            asset_key=_key(asset_key),
            description=description,
            metadata=normalize_metadata(metadata),
            partition=partition,
            tags=tags,
        )

    @staticmethod
    def file(
        path: str, description: str | None = None, asset_key: CoercibleToAssetKey | None = None
    ) -> AssetMaterialization:
        """Return the statement for a file; its key is by default the path."""
        return AssetMaterialization(
            asset_key or path, description, {"path": MetadataValue.path(path)}
        )

    @property
    def label(self) -> str:
        """The parts of the key, with spaces between them."""
        return " ".join(self.asset_key.parts)

    def with_metadata(self, metadata: Mapping[str, Any] | None) -> AssetMaterialization:
        """Return a copy with this metadata instead."""
        return replace(self, metadata=metadata or {})

    def __hash__(self) -> int:
        return hash((self.asset_key, self.partition))


@dataclass(frozen=True)
class AssetObservation:
    """The statement of an op that it looked at an asset; its fields as an AssetMaterialization."""

    asset_key: AssetKey
    description: str | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    partition: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __init__(
        self,
        asset_key: CoercibleToAssetKey,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        _check_tags(tags, "AssetObservation")
        _set(
            self,
            asset_key=_key(asset_key),
            description=description,
            metadata=normalize_metadata(metadata),
            partition=partition,
            tags=tags or {},
        )

    @property
    def label(self) -> str:
        """The parts of the key, with spaces between them."""
        return " ".join(self.asset_key.parts)

    @property
    def data_version(self) -> str | None:
        """The version of the data, from the tag ``dagster/data_version``."""
        return self.tags.get("dagster/data_version")

    def with_metadata(self, metadata: Mapping[str, Any] | None) -> AssetObservation:
        """Return a copy with this metadata instead."""
        return replace(self, metadata=metadata or {})

    def __hash__(self) -> int:
        return hash((self.asset_key, self.partition))


@dataclass(frozen=True)
class ExpectationResult:
    """The result of an op's test of its data. A test that fails does not fail the step."""

    success: bool
    label: str | None = "result"
    description: str | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)

    def __init__(
        self,
        success: bool,
        label: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(success, bool):
            raise DefinitionError(f"ExpectationResult: success is True or False, got {success!r}.")
        _set(
            self,
            success=success,
            label="result" if label is None else label,
            description=description,
            metadata=normalize_metadata(metadata),
        )

    def __hash__(self) -> int:
        return hash((self.success, self.label))


#: What ``yield`` and ``context.log_event`` take besides outputs.
UserEvent: TypeAlias = "AssetMaterialization | AssetObservation | ExpectationResult"
USER_EVENTS = (AssetMaterialization, AssetObservation, ExpectationResult)


def _set(event: object, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(event, name, value)
