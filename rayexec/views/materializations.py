"""Statements of ops that they wrote an asset, with their metadata, from the log of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rayexec.events import Event, EventType
from rayexec.store.columns import ATTEMPT, EVENT
from rayexec.views.arrow_columns import (
    equal_any,
    record_columns,
    true_or_false,
)
from rayexec.views.log_lines import events_of
from rayexec.views.read_columns import ReadColumns, numbers_of_wide

__all__ = ["MOST_MATERIALIZATIONS", "Materializations", "materialized", "metadata_document"]

#: Statements of one run that are read; a run may have one in each of its steps.
MOST_MATERIALIZATIONS = 1_000
# As the detail of a row has it, by its class in an attempt and by its type in an event.
_MARK = "AssetMaterialization|ASSET_MATERIALIZATION"


class Materializations:
    """The statements of a run, the first ones first; ``read_on`` reads those that came since."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self._frames_read = 0

    def read_on(self, columns: ReadColumns) -> list[dict[str, Any]]:
        """Return the statements so far; raises StoreError where the log is out of reach."""
        from pyarrow import compute

        frames = columns.record_frames
        while self._frames_read < len(frames) and len(self.documents) < MOST_MATERIALIZATIONS:
            table = record_columns(columns.frames.records(frames[self._frames_read]))
            may_have = compute.match_substring_regex(table["detail"], _MARK)
            mask = compute.and_(equal_any(table["kind"], ATTEMPT, EVENT), true_or_false(may_have))
            before = columns.first_records[self._frames_read]
            positions = numbers_of_wide(compute.indices_nonzero(mask))
            for position, row in zip(positions, table.filter(mask).to_pylist(), strict=True):
                self.documents += materialized(events_of(columns, row, before + position))
            self._frames_read += 1
        return self.documents[:MOST_MATERIALIZATIONS]


def materialized(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the statements among events as JSON-able data."""
    return [
        _document(event) for event in events if event.event_type is EventType.ASSET_MATERIALIZATION
    ]


def _document(event: Event) -> dict[str, Any]:
    statement = event.materialization
    return {
        "time": event.timestamp,
        "step": event.step_key,
        "asset_key": list(statement.asset_key.path),
        "description": statement.description,
        "partition": statement.partition,
        "tags": dict(statement.tags or {}),
        "metadata": metadata_document(statement.metadata),
    }


def metadata_document(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return pieces of metadata as JSON-able data, each with its kind."""
    return {
        str(name): {
            "kind": getattr(value, "kind", ""),
            "value": _plain(getattr(value, "plain", value)),
        }
        for name, value in metadata.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)
