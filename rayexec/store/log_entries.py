"""Entries of event logs, in the words of Dagster."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rayexec.definitions.asset_key import AssetKey
from rayexec.events import ErrorInfo, Event, EventType

__all__ = [
    "EventLogEntry",
    "EventLogRecord",
    "EventRecordsFilter",
    "EventRecordsResult",
    "EventTypes",
]

# Types of wanted events: None for all entries, those of log lines too.
EventTypes: TypeAlias = "EventType | Collection[EventType] | None"


@dataclass(frozen=True, slots=True)
class EventLogEntry:
    """Entry of the log of a run: an event, or a line of an op without ``dagster_event``.

    ``level`` is of ``logging``, and ``timestamp`` in seconds since 1970.
    """

    error_info: ErrorInfo | None
    level: int
    user_message: str
    run_id: str
    timestamp: float
    step_key: str | None = None
    job_name: str | None = None
    dagster_event: Event | None = None

    @staticmethod
    def of_event(event: Event, run_id: str) -> EventLogEntry:
        """Return the entry of an event."""
        is_line = event.event_type is EventType.LOG_MESSAGE
        level = logging.ERROR if event.is_failure else logging.DEBUG
        if is_line:
            level = event.event_specific_data["level"]
        return EventLogEntry(
            None,
            level,
            event.message,
            run_id,
            event.timestamp,
            event.step_key,
            event.job_name,
            None if is_line else event,
        )

    @property
    def is_dagster_event(self) -> bool:
        """Whether the entry is of an event."""
        return self.dagster_event is not None

    @property
    def dagster_event_type(self) -> EventType | None:
        """Type of the event; None for a line."""
        return None if self.dagster_event is None else self.dagster_event.event_type

    @property
    def message(self) -> str:
        """Message of the event, or the line."""
        return self.user_message

    @property
    def asset_materialization(self) -> Any:
        """AssetMaterialization of the event, or None."""
        event = self.dagster_event
        is_one = event is not None and event.is_step_materialization
        return event.materialization if event is not None and is_one else None

    @property
    def asset_observation(self) -> Any:
        """AssetObservation of the event, or None."""
        event = self.dagster_event
        is_one = event is not None and event.is_asset_observation
        data = event.asset_observation_data if event is not None and is_one else None
        return None if data is None else data.asset_observation

    def get_dagster_event(self) -> Event:
        """Return the event; raises TypeError for a line."""
        if self.dagster_event is None:
            raise TypeError("the entry is a line of the log and has no event")
        return self.dagster_event

    def is_of(self, kinds: EventTypes) -> bool:
        """Whether the entry is of one of these types of events."""
        if kinds is None:
            return True
        wanted = {kinds} if isinstance(kinds, EventType) else set(kinds)
        return self.dagster_event_type in wanted


@dataclass(frozen=True, slots=True)
class EventLogRecord:
    """Entry of a log and its position among all of the same question, from 1."""

    storage_id: int
    event_log_entry: EventLogEntry

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.event_log_entry.run_id

    @property
    def timestamp(self) -> float:
        """Moment in seconds since 1970."""
        return self.event_log_entry.timestamp

    @property
    def event_type(self) -> EventType | None:
        """Type of the event; None for a line."""
        return self.event_log_entry.dagster_event_type

    @property
    def asset_key(self) -> AssetKey | None:
        """Key of the asset that the event is about, or None."""
        event = self.event_log_entry.dagster_event
        key: AssetKey | None = None if event is None else event.asset_key
        return key

    @property
    def partition_key(self) -> str | None:
        """Partition of the asset that the event is about, or None."""
        event = self.event_log_entry.dagster_event
        return None if event is None else event.partition

    @property
    def asset_materialization(self) -> Any:
        """AssetMaterialization of the event, or None."""
        return self.event_log_entry.asset_materialization

    @property
    def asset_observation(self) -> Any:
        """AssetObservation of the event, or None."""
        return self.event_log_entry.asset_observation


@dataclass(frozen=True)
class EventRecordsFilter:
    """Condition on events of all runs: a type, an asset, and moments in seconds since 1970."""

    event_type: EventType
    asset_key: AssetKey | None = None
    asset_partitions: Sequence[str] | None = None
    after_cursor: int | None = None
    before_cursor: int | None = None
    after_timestamp: float | None = None
    before_timestamp: float | None = None
    storage_ids: Sequence[int] | None = None

    def accepts(self, record: EventLogRecord) -> bool:
        """Whether an event fulfils the condition."""
        position, moment = record.storage_id, record.timestamp
        return (
            record.event_type is self.event_type
            and self.asset_key in (None, record.asset_key)
            and (self.asset_partitions is None or record.partition_key in self.asset_partitions)
            and (self.after_cursor is None or position > self.after_cursor)
            and (self.before_cursor is None or position < self.before_cursor)
            and (self.after_timestamp is None or moment > self.after_timestamp)
            and (self.before_timestamp is None or moment < self.before_timestamp)
            and (self.storage_ids is None or position in self.storage_ids)
        )


@dataclass(frozen=True, slots=True)
class EventRecordsResult:
    """Part of an answer; ``cursor`` continues it where ``has_more``."""

    records: Sequence[EventLogRecord]
    cursor: str
    has_more: bool
