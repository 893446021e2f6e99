"""Logs of runs that tests make at random: records of all kinds, in frames of any size."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import strategies as st

from rayexec import job, op
from rayexec.events import (
    DRIVER_BATCH,
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    BatchFacts,
    ErrorInfo,
    Event,
    EventType,
    LiveLines,
    LogLine,
    OutputRecord,
    ResourceRecord,
    Reused,
    StepBlockedData,
    StepFailureData,
    StepsRestored,
    StreamPart,
    Successes,
)
from rayexec.plan import Plan, compile_job
from rayexec.store import RunRecord
from rayexec.store.writing import LogWriter

__all__ = ["BEGAN", "KEYS", "GrowingReader", "bytes_of_log", "records"]

BEGAN = 1_000.0
_STEPS = 12


@op
def load() -> int:
    return 1


@op
def store(value: int) -> int:
    return value


@job
def pairs() -> None:
    for _ in range(_STEPS // 2):
        store(load())


PLAN: Plan = compile_job(pairs)
KEYS = [step.key for step in PLAN.steps]
_PLAIN = (OutputRecord("result"),)
_TIMES = st.floats(0, 100).map(lambda seconds: round(BEGAN + seconds, 3))
_STEP = st.integers(0, _STEPS - 1)
_BATCH = st.integers(DRIVER_BATCH, 5)
_PID = st.sampled_from([0, 7, 8, 2**31 - 1])
_TEXTS = st.sampled_from(["", "a line\n", 'with "reused": {"$": "x"}\n', "\x1b[1m\u00e9\n2\n"])


def _failure(message: str) -> StepFailureData:
    return StepFailureData(ErrorInfo("ValueError", message, "a stack"))


_attempts = st.builds(
    lambda step, index, outcome, began, took, pid, batch, size, texts, reused: Attempt(
        step,
        index,
        outcome,
        began,
        began + took,
        _PLAIN if outcome == SUCCESS else (),
        failure=None if outcome == SUCCESS else _failure(texts[0]),
        logs=tuple(LogLine(began, 20, text) for text in texts if text),
        stdout=texts[0],
        pid=pid,
        batch=batch,
        output_bytes=size,
        reused=Reused("before", "load") if reused and outcome == SUCCESS else None,
    ),
    _STEP,
    st.integers(0, 3),
    st.sampled_from([SUCCESS, SUCCESS, FAILURE, RETRY]),
    _TIMES,
    st.floats(0, 10),
    _PID,
    _BATCH,
    st.integers(-1, 2**40),
    st.lists(_TEXTS, min_size=1, max_size=2),
    st.booleans(),
)
_successes = st.builds(
    lambda steps, began, pid, batch: Successes(
        steps,
        [0] * len(steps),
        array("d", [began] * len(steps)),
        array("d", [began + 1] * len(steps)),
        pid,
        batch,
    ),
    st.lists(_STEP, min_size=1, max_size=5),
    _TIMES,
    _PID,
    _BATCH,
)
_facts = st.builds(
    lambda batch, host, pid, began: BatchFacts(
        batch, host, host * 32, pid, submitted=began - 1, began=began, peak_rss=10**6
    ),
    _BATCH,
    st.sampled_from(["a", "b"]),
    st.sampled_from([7, 8]),
    _TIMES,
)
_events = st.builds(
    lambda kind, key, moment: Event(
        kind,
        "said",
        moment,
        key,
        {"level": 40, "not_run": key} if kind is EventType.LOG_MESSAGE else None,
    ),
    st.sampled_from([EventType.STEP_SKIPPED, EventType.ENGINE_EVENT, EventType.LOG_MESSAGE]),
    st.sampled_from([*KEYS, "unknown"]),
    _TIMES,
)
_live = st.builds(
    lambda step, index, moment, text: LiveLines(
        step, index, 7, moment, (LogLine(moment, 20, text),), 0, StreamPart(text, 0, len(text))
    ),
    _STEP,
    st.integers(0, 3),
    _TIMES,
    _TEXTS,
)
_resources = st.builds(lambda moment: ResourceRecord("db", moment, moment + 1), _TIMES)
_restored = st.builds(StepsRestored, st.lists(_STEP, min_size=1, max_size=3))
_End = Event(
    EventType.RUN_FAILURE, "failed", BEGAN + 200, None, ErrorInfo("EngineError", "gone", "")
)
_record = st.one_of(
    _attempts, _successes, _facts, _events, _live, _resources, _restored, st.just(_End)
)
#: Records in groups, a frame each.
records = st.lists(st.lists(_record, max_size=6), max_size=6)
_blocked = st.dictionaries(
    st.tuples(_STEP, st.integers(0, 3)),
    st.builds(StepBlockedData, st.sampled_from(["db", "gpu"]), st.floats(0, 9), st.just(("x",))),
    max_size=4,
)
waits = _blocked


class _Parts:
    """Writer that keeps the frames."""

    interval = poll_interval = 0.5

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def append(self, data: bytes) -> None:
        self.parts.append(data)


def bytes_of_log(
    groups: Sequence[Sequence[object]], blocked: Mapping[tuple[int, int], StepBlockedData]
) -> bytes:
    """Return the log of records, one frame a group, and of waits in the last one."""
    parts = _Parts()
    writer = LogWriter(PLAN, parts)  # type: ignore[arg-type]
    for group in groups:
        for record in group:
            writer.add(record)  # type: ignore[arg-type]
        writer.write()
    writer.write(blocked)
    return b"".join(parts.parts)


class GrowingReader:
    """Reader of a log that grows: a test says how much of it is there."""

    run_id = "made"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def record(self) -> RunRecord:
        return RunRecord("made", "pairs", start_time=BEGAN)

    def log(self, start: int = 0) -> Iterator[bytes]:
        if start < self.size:
            yield self.content[start : self.size]

    def is_of_this_user(self) -> bool:
        return True
