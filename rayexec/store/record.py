"""What is known of a run as a whole: the content of its ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.run.process_identity import ProcessIdentity

__all__ = ["SCHEMA_VERSION", "RunRecord", "is_over", "settled"]

# Of run.json and of the log beside it; greater where an older rayexec could not read them any more.
# 2: rows of batches, and the columns batch and output_bytes.
SCHEMA_VERSION = 2

_DIED = "driver died"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as a whole; JSON-able throughout.

    ``status`` is STARTED, SUCCESS, FAILURE or CANCELED; ``start_time`` and ``end_time`` are seconds
    since 1970. ``steps`` counts the steps by how they ended, once the run is over; ``error`` is
    what kept the run from going on. ``origin`` tells where the job came from, as far as it is
    known: ``file``, ``module``, ``attribute``, ``job``. ``note`` says what is to be known beside
    it: that the driver died, or why the run cannot be read.
    """

    run_id: str
    job_name: str
    status: RunStatus = RunStatus.STARTED
    start_time: float = 0.0
    end_time: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    op_selection: tuple[str, ...] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    parent_run_id: str | None = None
    root_run_id: str | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    driver: ProcessIdentity | None = None
    steps: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, str] | None = None
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
        """Return what ``encode`` wrote; raises StoreError for what a newer rayexec wrote, or
        nobody.
        """
        try:
            document = json.loads(data)
            version = int(document["schema_version"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"run.json of run {run_id} cannot be read: {type(error).__name__}: {error}"
            ) from None
        check_version(version, f"run {run_id}")
        known = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        driver, selection = known.get("driver"), known.get("op_selection")
        try:
            if driver is not None:
                known["driver"] = ProcessIdentity(**driver)
            if selection is not None:
                known["op_selection"] = tuple(selection)
            if "status" in known:
                known["status"] = RunStatus(known["status"])
            return cls(**known)
        except (TypeError, ValueError) as error:
            raise StoreError(f"run.json of run {run_id} cannot be read: {error}") from None


def check_version(version: int, what: str, greatest: int = SCHEMA_VERSION) -> None:
    """Raise StoreError where a newer rayexec wrote ``what``."""
    if version > greatest:
        raise StoreError(
            f"{what} was written by a newer rayexec (schema version {version}; this one reads up "
            f"to {greatest}): "
            "upgrade rayexec to read it."
        )


def is_over(record: RunRecord) -> bool:
    """Whether nothing more will happen in a run."""
    return record.status != RunStatus.STARTED


def settled(record: RunRecord) -> RunRecord:
    """Return ``record`` as it is to be shown: a run whose driver is gone from this host without an
    end has failed.
    """
    if is_over(record) or record.driver is None or not record.driver.is_gone():
        return record
    return replace(record, status=RunStatus.FAILURE, note=_DIED)
