"""Record of a run as a whole, the content of its ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.names import RUN_ID
from rayexec.run.process_identity import ProcessIdentity
from rayexec.strict_json import json_text, marked_floats, unmarked_floats

__all__ = ["LAST_MOMENT_S", "SCHEMA_VERSION", "RunRecord", "is_over", "settled"]

# Version of run.json and of the log beside it; a greater one is unreadable for older versions of
# rayexec. Version 2 added rows of batches, and the columns slice and output_bytes.
SCHEMA_VERSION = 2

_DIED = "driver died"
#: End of the year 9999, the last that datetime has; in seconds since 1970.
LAST_MOMENT_S = 253_402_300_800.0
_GREATEST_PID = 2**31 - 1
_MOST_COUNT = 2**63


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Run as a whole; its fields are JSON-able."""

    run_id: str
    job_name: str
    status: RunStatus = RunStatus.STARTED
    #: Seconds since 1970, as ``end_time`` is.
    start_time: float = 0.0
    end_time: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    op_selection: tuple[str, ...] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    parent_run_id: str | None = None
    root_run_id: str | None = None
    #: Source of the job, with the keys ``file``, ``module``, ``attribute`` and ``job``.
    origin: Mapping[str, str] = field(default_factory=dict)
    #: Digests of inputs whose values ``run_config`` does not show, by ``<node path>:<input>``; None
    #: for a value without a digest.
    input_digests: Mapping[str, str | None] = field(default_factory=dict)
    driver: ProcessIdentity | None = None
    #: Counts of steps by their ends, once the run is over.
    steps: Mapping[str, int] = field(default_factory=dict)
    #: Failure of the run as a whole.
    error: Mapping[str, str] | None = None
    #: Death of the driver, reason why the run is unreadable, or gap in the log.
    note: str | None = None
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able data."""
        return asdict(self)

    def encode(self) -> bytes:
        """Return the content of ``run.json``."""
        document = {"schema_version": self.schema_version} | self.to_dict()
        document["run_config"] = marked_floats(document["run_config"])
        return f"{json_text(document, indent=2, default=repr)}\n".encode()

    @classmethod
    def decode(cls, data: bytes, run_id: str) -> RunRecord:
        """Return the record behind ``encode``'s result; raises StoreError for other data.

        Anybody may have written ``data``, so each value is held to its type: one odd record must
        not break a list of all runs.
        """
        subject = f"run.json of run {run_id} cannot be read"
        try:
            document = json.loads(data)
            version = document["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{subject}: {type(error).__name__}: {error}") from None
        if not _is_count(version):
            raise StoreError(f"{subject}: schema_version is no number of a version.")
        check_version(version, f"run {run_id}")
        values = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        odd = [name for name, is_valid in _CHECKS.items() if not is_valid(values.get(name))]
        # A field that a record of an earlier version lacks has its default.
        odd = [name for name in odd if name in values or name in _REQUIRED]
        if odd:
            raise StoreError(f"{subject}: it has no valid {', '.join(odd)}.")
        if values["run_id"] != run_id:
            raise StoreError(f"{subject}: it is of another run, {values['run_id']!r}.")
        if "run_config" in values:
            values["run_config"] = unmarked_floats(values["run_config"])
        driver, selection = values.get("driver"), values.get("op_selection")
        if driver is not None:
            values["driver"] = ProcessIdentity(**driver)
        if selection is not None:
            values["op_selection"] = tuple(selection)
        if "status" in values:
            try:
                values["status"] = RunStatus(values["status"])
            except ValueError as error:
                raise StoreError(f"{subject}: {error}") from None
        return cls(**values)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and RUN_ID.match(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_COUNT


def _is_moment(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value < LAST_MOMENT_S  # False for NaN too


def _is_process(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"host", "pid", "started"}
        and _is_text(value.get("host"))
        and _is_count(value.get("pid"))
        and 0 < value["pid"] <= _GREATEST_PID
        and (value.get("started") is None or _is_text(value["started"]))
    )


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_texts_or_none(value: Any) -> bool:
    return isinstance(value, dict) and all(
        each is None or _is_text(each) for each in value.values()
    )


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_REQUIRED = ("run_id", "job_name")
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "run_id": _is_id,
    "job_name": _is_text,
    "status": _is_text,
    "start_time": _is_moment,
    "end_time": _or_none(_is_moment),
    "tags": _are_texts,
    "run_config": _is_mapping,
    "op_selection": _or_none(_is_list_of_texts),
    "versions": _are_texts,
    "parent_run_id": _or_none(_is_text),
    "root_run_id": _or_none(_is_text),
    "origin": _are_texts,
    "input_digests": _are_texts_or_none,
    "driver": _or_none(_is_process),
    "steps": _are_counts,
    "error": _or_none(_are_texts),
    "note": _or_none(_is_text),
}


def check_version(version: int, subject: str, greatest: int = SCHEMA_VERSION) -> None:
    """Raise StoreError for a version that only newer versions of rayexec can read."""
    if version > greatest:
        raise StoreError(
            f"{subject} was written by a newer rayexec (schema version {version}; this one reads "
            f"up to {greatest}): upgrade rayexec to read it."
        )


def is_over(record: RunRecord) -> bool:
    """Whether a run has ended."""
    return record.status != RunStatus.STARTED


def settled(record: RunRecord) -> RunRecord:
    """Return ``record`` for users: a run without an end has failed if its driver here is dead."""
    if is_over(record) or record.driver is None or not record.driver.is_gone():
        return record
    return replace(record, status=RunStatus.FAILURE, note=_DIED)
