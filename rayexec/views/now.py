"""State of a run under way, as its driver writes it for those who watch.

Whoever may write to a shared store may have written the file, so a document keeps only the fields
that are known, each of its type, and no more of them than a driver writes.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rayexec.errors import StoreError
from rayexec.store.base import RunReader, RunStore, current, now, watch
from rayexec.store.record import RunRecord, is_over

__all__ = ["ask_now", "counts_of", "now_of", "read_now"]

_MOST_CHARACTERS = 1_000  # of a text
_MOST_QUEUES, _MOST_NAMED, _MOST_NODES = 200, 8, 1_000
_MOST_RUNNING, _MOST_RETRIES = 200, 50
# A state of a moment ago is as good as the next one; drivers write five in a second.
_FRESH_S, _LOOK_S = 1.0, 0.05
_GREATEST = 2.0**53  # whole numbers that a browser has exactly

_Reading: TypeAlias = Callable[[Any], Any]


def now_of(store: RunStore, reader: RunReader) -> dict[str, Any] | None:
    """Return the state of a run, None once it is over or without a state; raises StoreError."""
    if is_over(current(reader)):
        return None
    data = now(store, reader.run_id)
    return None if data is None else read_now(data, reader.run_id)


def ask_now(
    store: RunStore, reader: RunReader, record: RunRecord, *, patience_s: float
) -> dict[str, Any] | None:
    """Ask the driver of a run for its state, and await the answer; None without one.

    A driver on another host is not waited for. Raises StoreError.
    """
    if is_over(record) or record.driver is None or record.driver.host != socket.gethostname():
        return None
    asked_at = time.time()
    with contextlib.suppress(StoreError):  # A store that is not writable.
        watch(store, reader.run_id)
    until = time.monotonic() + patience_s
    while True:
        state = now_of(store, reader)
        if state is not None and state["time"] >= asked_at - _FRESH_S:
            return state
        if time.monotonic() >= until or is_over(current(reader)):
            return None
        time.sleep(_LOOK_S)


def read_now(data: bytes, run_id: str) -> dict[str, Any]:
    """Return the state in the content of ``now.json``; raises StoreError for other content."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"the state of run {run_id} cannot be read: {error}") from None
    if not isinstance(document, dict) or document.get("run_id") != run_id:
        raise StoreError(f"the state of run {run_id} cannot be read: it is of another run.")
    state: dict[str, Any] = _state(document)
    return {**state, "as_of": state["time"]}


def counts_of(state: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of steps by state, those that run or wait among them."""
    retrying = min(len(state["retries"]), state["waiting"])
    counts = {
        **state["ends"],
        "running": state["running_count"],
        "retrying": retrying,
        "waiting": state["waiting"] - retrying,
    }
    return {name: count for name, count in counts.items() if count}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _amount(value: Any) -> float | int:
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_one and math.isfinite(value) and 0 <= value <= _GREATEST else 0


def _count(value: Any) -> int:
    return int(_amount(value))


def _flag(value: Any) -> bool:
    return value is True


def _or_none(read: _Reading) -> _Reading:
    return lambda value: None if value is None else read(value)


def _list(read: _Reading, most: int) -> _Reading:
    return lambda value: [read(each) for each in value[:most]] if isinstance(value, list) else []


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {_text(name): _count(count) for name, count in list(value.items())[:_MOST_NAMED]}


def _object(**fields: _Reading) -> _Reading:
    def read(value: Any) -> dict[str, Any]:
        document = value if isinstance(value, dict) else {}
        return {name: read_field(document.get(name)) for name, read_field in fields.items()}

    return read


_state = _object(
    run_id=_text,
    node_id=_or_none(_text),
    time=_amount,
    steps=_count,
    is_final=_flag,
    over=_count,
    ends=_counts,
    running_count=_count,
    running=_list(_object(key=_text, node=_text, seconds=_amount), _MOST_RUNNING),
    waiting=_count,
    queues=_list(
        _object(
            reason=_text,
            limit=_or_none(_text),
            size=_count,
            steps=_list(_text, _MOST_NAMED),
            used=_amount,
            most=_amount,
            holders=_list(_object(key=_text, seconds=_amount), _MOST_NAMED),
            others=_flag,
            other_runs=_list(_object(run_id=_text, job=_text), _MOST_NAMED),
        ),
        _MOST_QUEUES,
    ),
    retries=_list(_object(key=_text, in_s=_amount), _MOST_RETRIES),
    slots=_object(most=_count, busy=_count, idle=_count, why=_or_none(_text)),
    mapped=_list(
        _object(node=_text, done=_count, total=_or_none(_count), failed=_count, running=_count),
        _MOST_NODES,
    ),
)
