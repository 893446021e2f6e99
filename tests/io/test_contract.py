"""Contract of the built-in IO managers, on every file system."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from rayexec import (
    FilesystemIOManager,
    InputError,
    Out,
    Output,
    ParquetIOManager,
    RetryPolicy,
    build_input_context,
    build_output_context,
    fs_io_manager,
    job,
    op,
)


class Deadly:
    """Ends the process that pickles it."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return Deadly, ()


class Broken:
    """Raises when it is pickled."""

    def __reduce__(self) -> Any:
        raise RuntimeError("half-way")


def deadly_batches() -> pa.RecordBatchReader:
    return batches(lambda: os.kill(os.getpid(), signal.SIGKILL))


def broken_batches() -> pa.RecordBatchReader:
    def fail() -> None:
        raise RuntimeError("half-way")

    return batches(fail)


def batches(then: Callable[[], None]) -> pa.RecordBatchReader:
    """Return a reader that gives a large batch, and then does something else."""
    schema = pa.schema([("n", pa.int64())])

    def generate() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(200_000))], schema=schema)
        then()

    return pa.RecordBatchReader.from_batches(schema, generate())


class Kind(NamedTuple):
    """A kind of manager: its maker for a directory, and values that end or fail it half-way."""

    make: Callable[[str], Any]
    deadly: Callable[[], Any]
    broken: Callable[[], Any]
    suffix: str


KINDS = {
    "pickle": Kind(
        lambda base: FilesystemIOManager(base_dir=base),
        lambda: [bytes(10_000_000), Deadly()],
        lambda: [bytes(10_000_000), Broken()],
        "",
    ),
    "fs_io_manager": Kind(
        lambda base: fs_io_manager.configured({"base_dir": base}),
        lambda: [bytes(10_000_000), Deadly()],
        lambda: [bytes(10_000_000), Broken()],
        "",
    ),
    "parquet": Kind(
        lambda base: ParquetIOManager(base_dir=base), deadly_batches, broken_batches, ".parquet"
    ),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of built-in manager."""
    return KINDS[request.param]


@pytest.fixture(params=["path", "uri"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A base directory that does not exist yet, as a path and as a URI."""
    directory = tmp_path / "out put"
    return str(directory) if request.param == "path" else directory.as_uri()


def files(tmp_path: Path, *, hidden: bool = False) -> set[str]:
    """Return the files below the base directory, those with a temporary name apart."""
    root = tmp_path / "out put"
    found = {each for each in root.rglob("*") if each.is_file()}
    return {str(each.relative_to(root)) for each in found if each.name.startswith(".") == hidden}


def table(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64())})


@op
def first() -> pa.Table:
    return table(1, 2)


@op
def grow(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, table(rows.num_rows + 1)])


@op
def gather(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts)


def test_values_pass_through_files(execute: Any, kind: Kind, base: str, tmp_path: Path) -> None:
    @job(resource_defs={"io_manager": kind.make(base)})
    def growing() -> None:
        one = first()
        two = grow(one)
        gather([one, two, grow.alias("third")(two)])

    result = execute(growing)
    assert result.success
    assert result.output_for_node("gather") == table(1, 2, 1, 2, 3, 1, 2, 3, 4)
    assert result.output_for_node("grow") == table(1, 2, 3)
    keys = ("first", "grow", "third", "gather")
    assert files(tmp_path) == {f"{result.run_id}/{key}/result{kind.suffix}" for key in keys}
    assert files(tmp_path, hidden=True) == set()
    (handled,) = [
        each.event_specific_data
        for each in result.events_for_node("first")
        if each.event_type_value == "HANDLED_OUTPUT"
    ]
    path = handled.metadata["path"].value
    assert path == str(tmp_path / "out put" / result.run_id / "first" / f"result{kind.suffix}")

    again = execute(growing)
    assert again.run_id != result.run_id
    assert len(files(tmp_path)) == 8


def test_what_is_loaded_is_what_lies_in_the_file(
    execute_and_load: Any, kind: Kind, base: str, tmp_path: Path
) -> None:
    @job(resource_defs={"io_manager": kind.make(base)})
    def single() -> None:
        first()

    result = execute_and_load(single)
    stored = tmp_path / "out put" / result.run_id / "first" / f"result{kind.suffix}"
    stored.unlink()
    with pytest.raises(InputError, match=r"could not load .*FileNotFoundError") as caught:
        result.output_for_node("first")
    assert stored.name in str(caught.value)


def test_outputs_that_are_not_yielded_have_no_file(
    execute: Any, kind: Kind, base: str, tmp_path: Path
) -> None:
    @op(out={"some": Out(pa.Table, is_required=False), "none": Out(pa.Table, is_required=False)})
    def partly() -> Iterator[Any]:
        yield Output(table(7), "some")

    @job(resource_defs={"io_manager": kind.make(base)})
    def part() -> None:
        some, none = partly()
        grow(some)
        grow.alias("skipped")(none)

    result = execute(part)
    assert result.is_node_skipped("skipped")
    assert result.output_for_node("grow") == table(7, 2)
    names = {f"partly/some{kind.suffix}", f"grow/result{kind.suffix}"}
    assert files(tmp_path) == {f"{result.run_id}/{each}" for each in names}


def test_a_further_attempt_replaces_the_file(
    execute: Any, kind: Kind, base: str, tmp_path: Path
) -> None:
    @op(out={"a": Out(pa.Table), "b": Out(pa.Table)}, retry_policy=RetryPolicy(max_retries=1))
    def twice(context: Any) -> Iterator[Any]:
        yield Output(table(context.retry_number), "a")
        if not context.retry_number:
            raise RuntimeError("once")
        yield Output(table(5), "b")

    @job(resource_defs={"io_manager": kind.make(base)})
    def trying() -> None:
        a, b = twice()
        gather([a, b])

    result = execute(trying)
    assert result.output_for_node("gather") == table(1, 5)
    assert len(files(tmp_path)) == 3


def test_an_error_half_way_leaves_no_file(
    execute: Any, kind: Kind, base: str, tmp_path: Path
) -> None:
    broken = kind.broken

    @op(out=Out(io_manager_key="files"))
    def breaks() -> Any:
        return broken()

    @job(resource_defs={"files": kind.make(base)})
    def breaking() -> None:
        breaks()

    result = execute(breaking)
    assert (
        result.failure_data_for_node("breaks").root.cls_name == "DagsterExecutionHandleOutputError"
    )
    assert "half-way" in result.failure_data_for_node("breaks").root.message
    assert files(tmp_path) == files(tmp_path, hidden=True) == set()


def test_a_killed_worker_leaves_no_half_file(
    execute_on_ray: Any, kind: Kind, base: str, tmp_path: Path
) -> None:
    deadly = kind.deadly

    @op(out=Out(io_manager_key="files"), retry_policy=RetryPolicy(max_retries=1))
    def dies(context: Any) -> Any:
        return table(1) if context.retry_number else deadly()

    @job(resource_defs={"files": kind.make(base)})
    def dying() -> None:
        grow(dies())

    once = execute_on_ray(
        dying, {"execution": {"config": {"multiprocess": {"retries": {"disabled": {}}}}}}
    )
    assert once.failure_data_for_node("dies").root.cls_name == "WorkerCrashedError"
    assert files(tmp_path) == set()
    assert len(files(tmp_path, hidden=True)) == 1  # it was killed while it wrote
    again = execute_on_ray(dying)
    assert again.output_for_node("grow") == table(1, 2)
    assert files(tmp_path) == {f"{again.run_id}/dies/result{kind.suffix}"}


MANAGERS = [FilesystemIOManager, ParquetIOManager]


@pytest.mark.parametrize("manager_class", MANAGERS)
def test_each_output_has_a_file_of_its_own(manager_class: Any, base: str, tmp_path: Path) -> None:
    manager = manager_class(base_dir=base)
    keys = [
        ("load", "result", None),
        ("load", "other", "a"),
        ("load", "other", "b"),
        ("load", "a", None),
        ("outer.load", "result", None),
        ("outer", "load", None),
        ("load[a]", "result", None),
        ("load[a,b]", "result", None),
        ("load[a][b]", "result", None),
        ("load%5Ba%5D", "result", None),
        ("load/a", "result", None),
        ("..", "result", None),
        ("x" * 300, "result", None),
        ("x" * 301, "result", None),
        ("ä" * 100, "result", None),
    ]
    outputs = [
        build_output_context(run_id="r", step_key=step, name=name, mapping_key=key)
        for step, name, key in keys
    ]
    for number, context in enumerate(outputs):
        manager.handle_output(context, table(number))
    for number, context in enumerate(outputs):
        assert manager.load_input(build_input_context(upstream_output=context)) == table(number)
    names = files(tmp_path)
    assert len(names) == len(keys)
    assert all(each.startswith("r/") and each.isascii() for each in names)
    assert not any(set("[], ") & set(each) for each in names)
    assert files(tmp_path, hidden=True) == set()


@pytest.mark.parametrize("manager_class", MANAGERS)
@pytest.mark.parametrize("is_whole", [False, True], ids=["moved", "whole"])
def test_what_was_there_stays_until_the_new_is_complete(
    manager_class: Any, is_whole: bool, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = manager_class(base_dir=base)
    broken = KINDS["pickle" if manager_class is FilesystemIOManager else "parquet"].broken

    def output() -> Any:
        return build_output_context(run_id="r", step_key="load")

    context = build_input_context(upstream_output=output())
    manager.handle_output(output(), table(1))
    if is_whole:  # as to an object store, where closing a stream is what makes the file
        monkeypatch.setattr("rayexec.io.output_files._OBJECT_STORES", frozenset({"local"}))
    with pytest.raises(RuntimeError, match="half-way"):
        manager.handle_output(output(), broken())
    assert manager.load_input(context) == table(1)
    (path,) = files(tmp_path)
    before = (tmp_path / "out put" / path).stat().st_ino
    manager.handle_output(output(), table(2))
    assert (
        (tmp_path / "out put" / path).stat().st_ino == before
    ) == is_whole  # moving brings another file
    assert manager.load_input(context) == table(2)
    assert len(files(tmp_path)) == 1
    assert files(tmp_path, hidden=True) == set()


@pytest.mark.parametrize("manager_class", MANAGERS)
def test_an_input_from_nowhere(manager_class: Any, base: str) -> None:
    with pytest.raises(ValueError, match="nothing is connected"):
        manager_class(base_dir=base).load_input(build_input_context())


def test_a_relative_directory_is_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = build_output_context(run_id="r", step_key="load")
    FilesystemIOManager(base_dir="out put").handle_output(output, 1)
    assert files(tmp_path) == {"r/load/result"}


SCRIPT = """
import sys
from dataclasses import dataclass

from rayexec import FilesystemIOManager, job, op


@dataclass
class Point:
    x: int


@op
def make() -> Point:
    return Point(3)


@op
def move(point: Point) -> Point:
    return Point(point.x + 1)


@job(resource_defs={"io_manager": FilesystemIOManager(base_dir=sys.argv[1])})
def moving():
    move(make())


for result in (moving.execute_in_process(), moving.execute(raise_on_error=True)):
    assert result.output_for_node("move") == Point(4)
"""


@pytest.mark.long("starts a Ray of its own")
def test_what_a_script_defines_is_pickled_too(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out put")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(files(tmp_path)) == 4
