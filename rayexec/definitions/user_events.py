"""Events that ops yield or log about the world outside of a run: data written, seen or tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

from rayexec.definitions.asset_key import AssetKey, CoercibleToAssetKey
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.errors import DefinitionError
from rayexec.events import EventType

__all__ = [
    "USER_EVENTS",
    "AssetMaterialization",
    "AssetObservation",
    "ExpectationResult",
    "UserEvent",
]


def _key(given: CoercibleToAssetKey) -> AssetKey:
    return AssetKey.parse(given) if isinstance(given, str) else AssetKey.from_coercible(given)


def _check_texts(where: str, **texts: object) -> None:
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise DefinitionError(f"{where}: {name} is a string or None, got {text!r:.80}.")


def _check_tags(tags: Mapping[str, str] | None, where: str) -> None:
    for key, value in (tags or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise DefinitionError(f"{where}: tags are strings by name, got {key!r}: {value!r}.")


@dataclass(frozen=True)
class AssetMaterialization:
    """The statement of an op that it wrote an asset: a table, a file, a model.

    A string as the key is split where it has another character than letters, digits and
    underscores. Raises DefinitionError for something that is no key, text, tag or metadata.
    """

    event_type: ClassVar[EventType] = EventType.ASSET_MATERIALIZATION

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
        _check_texts("AssetMaterialization", description=description, partition=partition)
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

    event_type: ClassVar[EventType] = EventType.ASSET_OBSERVATION

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
        _check_texts("AssetObservation", description=description, partition=partition)
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

    event_type: ClassVar[EventType] = EventType.STEP_EXPECTATION_RESULT

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
        _check_texts("ExpectationResult", label=label, description=description)
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
