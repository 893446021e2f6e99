"""Record of a run as a whole, the content of its ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.run.process_identity import ProcessIdentity

__all__ = ["SCHEMA_VERSION", "RunRecord", "is_over", "settled"]

# Version of run.json and of the log beside it; a greater one is unreadable for older versions of
# rayexec. Version 2 added rows of batches, and the columns slice and output_bytes.
SCHEMA_VERSION = 2

_DIED = "driver died"


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
        return f"{json.dumps(document, indent=2, default=repr)}\n".encode()

    @classmethod
    def decode(cls, data: bytes, run_id: str) -> RunRecord:
        """Return the record behind ``encode``'s result; raises StoreError for other data."""
        try:
            document = json.loads(data)
            version = int(document["schema_version"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"run.json of run {run_id} cannot be read: {type(error).__name__}: {error}"
            ) from None
        check_version(version, f"run {run_id}")
        values = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        driver, selection = values.get("driver"), values.get("op_selection")
        try:
            if driver is not None:
                values["driver"] = ProcessIdentity(**driver)
            if selection is not None:
                values["op_selection"] = tuple(selection)
            if "status" in values:
                values["status"] = RunStatus(values["status"])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise StoreError(f"run.json of run {run_id} cannot be read: {error}") from None


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
