"""Jobs of the recorded store.

The module has a dot in its name, so that keys of cached steps do not depend on its directory.
The recorded store names the module, its ops and its classes: their names must stay.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rayexec import (
    Config,
    DynamicOut,
    DynamicOutput,
    Failure,
    FilesystemIOManager,
    HookContext,
    In,
    InputContext,
    MetadataValue,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    graph,
    input_manager,
    job,
    op,
    success_hook,
)
from recorded.step_notes import Notes
from recorded.stored_values import large, public_errors, public_values

KEYS = ("k0", "k1", "k2")


class Sized(Config):
    size: int = 8


@dataclass(frozen=True)
class Reading:
    """A class of the job's own file, whose instances are stored."""

    name: str
    values: tuple[int, ...]


class UnreadyError(ValueError):
    """An exception of the job's own file."""


@op
def load(config: Sized, notes: Notes) -> Any:
    notes.add("load")
    return large(config.size)


@op(out=Out(metadata={"unit": MetadataValue.text("m")}))
def describe(data: Any, notes: Notes) -> Iterator[Output[Reading]]:
    notes.add("describe")
    metadata = {
        "rows": len(data),
        "mean": 3.5,
        "fine": True,
        "text": "some words",
        "note": MetadataValue.md("**bold**"),
        "page": MetadataValue.url("https://example.org/a"),
        "file": MetadataValue.path("/somewhere/else"),
        "json": MetadataValue.json({"a": [1, None]}),
    }
    yield Output(Reading("first", tuple(map(int, data[:3]))), metadata=metadata)


@op(out=Out(io_manager_key="files", metadata={"unit": MetadataValue.text("m")}))
def save(data: Any, notes: Notes) -> Any:
    notes.add("save")
    return data[:4]


@op(out=DynamicOut(io_manager_key="files"))
def cut(data: Any, notes: Notes) -> Iterator[DynamicOutput[Any]]:
    notes.add("cut")
    for index, key in enumerate(KEYS):
        yield DynamicOutput(int(data[index]), mapping_key=key)


@op
def check(context: OpExecutionContext, part: int, notes: Notes) -> int:
    key = context.get_mapping_key()
    notes.add(f"check[{key}]")
    if key == "k1" and not notes.is_mended:
        raise UnreadyError("k1 is not ready")
    return part * 10


@op
def borrow(notes: Notes) -> Any:
    notes.add("borrow")
    return public_values(), public_errors()


@op
def plain(notes: Notes) -> int:
    notes.add("plain")
    return 17


@op
def refuse(notes: Notes) -> str:
    notes.add("refuse")
    if not notes.is_mended:
        raise Failure("it is refused", metadata={"code": 7}, allow_retries=False)
    return "passed"


@input_manager
def reader(context: InputContext) -> str:
    assert context.upstream_output is not None
    return f"read from {context.upstream_output.step_key}"


@op(ins={"said": In(input_manager_key="reader")})
def judge(
    checked: list[int],
    pieces: list[int],
    data: Any,
    described: Reading,
    saved: Any,
    borrowed: Any,
    said: str,
    passed: str,
    notes: Notes,
) -> dict[str, Any]:
    notes.add("judge")
    return {
        "checked": checked,
        "pieces": pieces,
        "sum": int(data.sum()),
        "described": described,
        "saved": saved.tolist(),
        "borrowed": borrowed,
        "said": said,
        "passed": passed,
    }


@op
def echo(count: int, notes: Notes) -> int:
    notes.add("echo")
    return count


RESOURCES = {
    "notes": Notes.configure_at_launch(),
    "files": FilesystemIOManager.configure_at_launch(),
    "reader": reader,
}


@job(resource_defs=RESOURCES)
def failing() -> None:
    """Fail in ``check[k1]`` and ``refuse``, with all kinds of values kept for ``judge``."""
    data = load()
    pieces = cut(data)
    count = plain()
    echo(count)
    judge(
        pieces.map(check).collect(),
        pieces.collect(),
        data,
        describe(data),
        save(data),
        borrow(),
        count,
        refuse(),
    )


@op
def total(data: Any) -> int:
    return int(data.sum())


@op
def label(total: int) -> str:
    return f"{total} in all"


@op
def twice(data: Any) -> Any:
    return data[:4] * 2


@op(out={"left": Out(is_required=False), "right": Out(is_required=False)})
def choose() -> Iterator[Output[int]]:
    yield Output(1, output_name="left")


@op
def increment(count: int) -> int:
    return count + 1


@op(retry_policy=RetryPolicy(max_retries=2, delay=0.01))
def flaky(context: OpExecutionContext) -> int:
    if context.retry_number == 0:
        raise UnreadyError("try again")
    return context.retry_number


@op
def speak(context: OpExecutionContext) -> None:
    context.log.info("said in the log")
    context.log.warning("warned of %d things", 2)
    print("printed on stdout")
    print("printed on stderr", file=sys.stderr)


@op(ins={"start": In(Nothing)})
def afterwards() -> str:
    return "after"


@op(out=DynamicOut(str))
def years() -> Iterator[DynamicOutput[str]]:
    for year in ("2001", "2002"):
        yield DynamicOutput(year, mapping_key=year)


@op(out=DynamicOut(str, stream=True))
def months(year: str) -> Iterator[DynamicOutput[str]]:
    for month in ("01", "02"):
        yield DynamicOutput(f"{year}-{month}", mapping_key=month)


@op
def measure(month: str) -> int:
    return len(month)


@op
def add(numbers: list[int]) -> int:
    return sum(numbers)


@op
def read(saved: Any) -> Any:
    return saved + 1


@op(tags={"database": "redshift"})
def query() -> None:
    time.sleep(0.2)


@success_hook
def noted(context: HookContext) -> None:
    context.log.info("the hook ran")


@graph
def inner(data: Any) -> Any:
    return label.with_hooks({noted})(total(data))


@job(
    resource_defs={
        "notes": Notes.configure_at_launch(),
        "files": FilesystemIOManager.configure_at_launch(),
    }
)
def flow() -> None:
    """Run a chain, a fan-out, mapped steps at two levels, a retry, a skipped step and a limit."""
    data = load()
    inner(data)
    for name in ("first", "second", "third"):
        twice.alias(name)(data)
    describe(data)
    left, right = choose()
    increment.alias("after_left")(left)
    increment.alias("after_right")(right)
    flaky()
    afterwards(speak())
    sums = years().map(months).map(measure).collect().map(add)
    add.alias("add_all")(sums.collect())
    read(save(data))
    borrow()
    for name in ("query_one", "query_two"):
        query.alias(name)()


@op
def wait(context: OpExecutionContext, data: Any, notes: Notes) -> int:
    context.log.info("waiting")
    notes.add("wait")
    while not notes.is_mended:
        time.sleep(0.02)
    return int(data.sum())


@job(resource_defs={"notes": Notes.configure_at_launch()})
def waiting() -> None:
    """Wait until it is mended."""
    wait(load())


class By(Config):
    by: int = 2


@op(cache=True, code_version="1")
def grow(data: Any, config: By, notes: Notes) -> Any:
    notes.add("grow")
    return data * config.by


@op(cache=True, code_version="1")
def detail(data: Any, notes: Notes) -> Iterator[Output[Reading]]:
    notes.add("detail")
    yield Output(
        Reading("cached", tuple(map(int, data[:2]))),
        metadata={"note": MetadataValue.md("*kept*"), "n": 2},
    )


@op(cache=True, code_version="1", out=DynamicOut())
def pieces(data: Any, notes: Notes) -> Iterator[DynamicOutput[int]]:
    notes.add("pieces")
    for index, key in enumerate(KEYS):
        yield DynamicOutput(int(data[index]), mapping_key=key)


@op(cache=True, code_version="1")
def lend(notes: Notes) -> Any:
    notes.add("lend")
    return public_values()


@op(cache=True, code_version="1")
def accept(lent: Any, notes: Notes) -> int:
    notes.add("accept")
    return len(lent)


@op(cache=True, code_version="1", out=Out(io_manager_key="files"))
def put(data: Any, notes: Notes) -> Any:
    notes.add("put")
    return data[:4]


@op
def use(grown: Any, detailed: Reading, parts: list[int], accepted: int, notes: Notes) -> Any:
    notes.add("use")
    return int(grown.sum()), detailed, parts, accepted


@op
def fetch(stored: Any, notes: Notes) -> Any:
    notes.add("fetch")
    return stored.tolist()


@job(resource_defs={"notes": Notes.configure_at_launch()})
def caching() -> None:
    """Use what cached ops yielded."""
    grown = grow(load())
    use(grown, detail(grown), pieces(grown).collect(), accept(lend()))


@job(
    resource_defs={
        "notes": Notes.configure_at_launch(),
        "files": FilesystemIOManager.configure_at_launch(),
    }
)
def caching_files() -> None:
    """Use a value of a cached op that an IO manager stored."""
    fetch(put(load()))
