"""Cached ops: when a step has what an earlier run yielded, and when it runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayexec import (
    Config,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    FilesystemIOManager,
    In,
    InputContext,
    MetadataValue,
    Nothing,
    Out,
    Output,
    RunResult,
    job,
    op,
    resource,
    success_hook,
)
from rayexec.store import DirectoryRunStore, MemoryRunStore

Run = Callable[..., RunResult]


class Knowing(FilesystemIOManager):
    """Pickles values, and loads those whose op it is told."""

    def load_input(self, context: InputContext) -> Any:
        assert context.upstream_output is not None
        if context.upstream_output.op_def is None:
            raise ValueError("which op is it of?")
        return super().load_input(context)


class By(Config):
    by: int = 2


@pytest.fixture(params=["in_process", "ray"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a job on an engine, recorded in a store of the test's own; settings of the engine are
    given as ``engine``.
    """
    if request.param == "ray":
        request.getfixturevalue("ray_session")

    def execute(job: Any, config: Any = None, *, engine: Any = None, **options: Any) -> RunResult:
        document = {**(config or {}), "execution": {"config": {request.param: engine or {}}}}
        result: RunResult = job.execute(document, **{"store": tmp_path / "store", **options})
        return result

    return execute


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(tmp_path / "calls")


@dataclass
class Calls:
    """Counts calls of ops, in whatever process they are."""

    file: Path

    def add(self, name: str) -> None:
        with self.file.open("a") as file:
            file.write(f"{name}\n")

    def take(self) -> list[str]:
        """Return the calls since this was asked last, sorted."""
        found = sorted(self.file.read_text().split()) if self.file.exists() else []
        self.file.write_text("")
        return found


def lines_of(result: RunResult) -> list[str]:
    return [each.message for each in result.all_events if each.event_type_value == "LOG_MESSAGE"]


def test_a_step_with_the_same_inputs_has_what_the_earlier_run_yielded(
    run: Run, calls: Calls
) -> None:
    @op
    def start() -> int:
        return 3

    @op(cache=True, code_version="1")
    def double(n: int) -> int:
        calls.add("double")
        return n * 2

    @op
    def after(n: int) -> int:
        return n + 1

    @job
    def doubling() -> None:
        after(double(start()))

    first, second = run(doubling), run(doubling)
    assert calls.take() == ["double"]
    for each in (first, second):
        assert each.success
        assert each.output_for_node("after") == 7
    assert first.reused == {}
    ((key, origin),) = second.reused.items()
    assert (key, origin.run_id, origin.step_key) == ("double", first.run_id, "double")
    (event,) = [each for each in second.all_events if "Reused" in each.message]
    assert event.step_key == "double"
    assert event.event_specific_data == {"reused_run_id": first.run_id, "reused_step_key": "double"}
    kinds = [each.event_type_value for each in second.all_events if each.step_key == "double"]
    assert kinds == [
        "STEP_START",
        "ENGINE_EVENT",
        "LOADED_INPUT",
        "STEP_INPUT",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "STEP_SUCCESS",
    ]


def test_each_thing_that_outputs_depend_on_counts(run: Run, calls: Calls) -> None:
    def make(version: str = "1", outs: Any = None) -> Any:
        @op(cache=True, code_version=version, out=outs)
        def times(values: Any, config: By, more: int = 1) -> Any:
            calls.add("times")
            return sum(values) * config.by * more

        return times

    def over(*values: Any, times: Any = None) -> Any:
        @op
        def given() -> Any:
            return values

        times = times or make()

        @job
        def multiplying() -> None:
            times(given())

        return multiplying

    def is_run(job: Any, config: Any = None) -> bool:
        assert run(job, config).success
        return calls.take() == ["times"]

    assert is_run(over(1, 2))
    assert not is_run(over(1, 2))
    assert is_run(over(1, 3))
    assert is_run(over(1, 2.0))
    by_three = {"ops": {"times": {"config": {"by": 3}}}}
    assert is_run(over(1, 2), by_three)
    assert not is_run(over(1, 2), by_three)
    assert not is_run(
        over(1, 2), {"ops": {"times": {"config": {"by": 2}}}}
    )  # what is left out is its default
    assert is_run(over(1, 2, times=make("2")))
    assert is_run(over(1, 2, times=make(outs={"other": Out()})))
    assert not is_run(over(1, 2, times=make().alias("renamed")))
    assert is_run(over(1, 2, times=make().configured({"by": 2}, name="another")))


def test_ops_of_the_same_name_in_other_places_are_others(run: Run) -> None:
    def here() -> Any:
        @op(name="load", cache=True, code_version="1")
        def load() -> str:
            return "here"

        return load

    def there() -> Any:
        @op(name="load", cache=True, code_version="1")
        def load() -> str:
            return "there"

        return load

    for make, value in ((here, "here"), (there, "there"), (here, "here")):
        load = make()

        @job
        def loading() -> None:
            load()  # noqa: B023  # the body runs at once

        assert run(loading).output_for_node("load") == value


def test_defaults_and_fan_ins_count_by_their_values_and_nothing_does_not(
    run: Run, calls: Calls
) -> None:
    @op(cache=True, code_version="1", ins={"before": In(Nothing)})
    def total(values: list[int], extra: int = 5) -> int:
        calls.add("total")
        return sum(values) + extra

    @op
    def wait() -> None:
        pass

    @op
    def one() -> int:
        return 1

    @op
    def two() -> int:
        return 2

    @op
    def five() -> int:
        return 5

    @job
    def by_default() -> None:
        total([one(), two()])

    @job
    def given_all() -> None:
        total([one(), two()], five(), before=wait())

    @job
    def turned() -> None:
        total([two(), one()])

    for each, is_run in ((by_default, True), (given_all, False), (turned, True)):
        assert run(each).output_for_node("total") == 8
        assert calls.take() == (["total"] if is_run else []), each.name


def test_values_of_dynamic_outputs_come_again_with_keys_and_metadata(
    run: Run, calls: Calls
) -> None:
    @op(
        cache=True,
        code_version="1",
        out={"parts": DynamicOut(), "count": Out(is_required=False), "odd": Out()},
    )
    def split() -> Any:
        calls.add("split")
        for key in "cab":
            yield DynamicOutput(
                key * 3, mapping_key=key, output_name="parts", metadata={"key": key}
            )
        yield Output([1], "odd", metadata={"rows": 1})

    @op(cache=True, code_version="1")
    def upper(part: str) -> str:
        calls.add("upper")
        return part.upper()

    @op
    def join(parts: list[str], odd: list[int]) -> str:
        return "".join(parts) + str(odd)

    @op
    def counted(count: int) -> int:
        return count

    @job
    def splitting() -> None:
        parts = split()
        join(parts.parts.map(upper).collect(), parts.odd)
        counted(parts.count)

    for again in (False, True):
        result = run(splitting)
        assert result.success
        assert result.output_for_node("join") == "CCCAAABBB[1]"
        assert "counted" not in [each.step_key for each in result.get_step_success_events()]
        assert calls.take() == ([] if again else ["split", "upper", "upper", "upper"])
        yielded = [
            each.step_output_data
            for each in result.all_events
            if each.step_key == "split" and each.is_successful_output
        ]
        assert [(each.output_name, each.mapping_key) for each in yielded] == [
            ("parts", "c"),
            ("parts", "a"),
            ("parts", "b"),
            ("odd", None),
        ]
        assert [each.metadata for each in yielded][2:] == [
            {"key": MetadataValue.text("b")},
            {"rows": MetadataValue.int(1)},
        ]
    assert set(result.reused) == {"split", "upper[a]", "upper[b]", "upper[c]"}


def test_a_stream_comes_again_in_full(run: Run, calls: Calls) -> None:
    @op(cache=True, code_version="1", out=DynamicOut(stream=True))
    def pieces() -> Any:
        calls.add("pieces")
        for number in range(3):
            yield DynamicOutput(np.full(20_000 if number else 2, number), str(number))

    @op
    def size(piece: Any) -> int:
        return int(piece.sum())

    @op
    def total(sizes: list[int]) -> int:
        return sum(sizes)

    @job
    def streaming() -> None:
        total(pieces().map(size).collect())

    assert [run(streaming).output_for_node("total") for _ in range(2)] == [60_000, 60_000]
    assert calls.take() == ["pieces"]


def test_a_step_that_fails_keeps_nothing_and_a_retry_that_succeeds_does(
    run: Run, calls: Calls, tmp_path: Path
) -> None:
    @op(cache=True, code_version="1", out={"a": Out(), "b": Out()})
    def flaky(context: Any) -> Any:
        calls.add("flaky")
        yield Output("early", "a")
        if not (tmp_path / "mended").exists():
            raise ValueError("broken")
        yield Output("late", "b")

    @job
    def trying() -> None:
        flaky()

    for _ in range(2):
        assert not run(trying).success
    assert calls.take() == ["flaky", "flaky"]
    assert DirectoryRunStore(tmp_path / "store").cache().list() == []
    (tmp_path / "mended").touch()
    for _ in range(2):
        result = run(trying)
        assert (result.output_for_node("flaky", "a"), result.output_for_node("flaky", "b")) == (
            "early",
            "late",
        )
    assert calls.take() == ["flaky"]


def test_neither_hooks_nor_resources_are_needed_where_nothing_runs(run: Run, calls: Calls) -> None:
    @resource(scope="step")
    def connection() -> str:
        calls.add("opened")
        return "open"

    @success_hook
    def tell(context: Any) -> None:
        calls.add("told")

    @op(cache=True, code_version="1", required_resource_keys={"connection"})
    def ask(context: Any) -> str:
        return str(context.resources.connection)

    @job(resource_defs={"connection": connection}, hooks={tell})
    def asking() -> None:
        ask()

    assert run(asking).output_for_node("ask") == "open"
    assert calls.take() == ["opened", "told"]
    assert run(asking).output_for_node("ask") == "open"
    assert calls.take() == []


def test_outputs_of_io_managers_are_loaded_from_where_the_earlier_run_stored_them(
    run: Run, calls: Calls, tmp_path: Path
) -> None:
    @op(cache=True, code_version="1")
    def make() -> list[int]:
        calls.add("make")
        return [1, 2]

    @op
    def first_of_all(context: Any) -> int:
        return 0

    @op
    def show(values: list[int]) -> str:
        return str(values)

    def storing(directory: str | None) -> Any:
        managers = (
            {} if directory is None else {"io_manager": Knowing(base_dir=str(tmp_path / directory))}
        )

        @job(resource_defs=managers)
        def showing() -> None:
            show(make())

        @job(resource_defs=managers)
        def showing_later() -> None:
            first_of_all()
            show(make())

        return showing, showing_later

    showing, showing_later = storing("a")
    first = run(showing)
    for again in (run(showing), run(showing_later)):  # in the other job the op has another place
        assert again.output_for_node("show") == "[1, 2]"
        assert again.output_for_node("make") == [1, 2]
        assert again.reused["make"].run_id == first.run_id
        handled = [each for each in again.all_events if each.event_type_value == "HANDLED_OUTPUT"]
        assert "make" not in {each.step_key for each in handled}  # it was not stored again
    assert calls.take() == ["make"]
    assert len(list((tmp_path / "a").rglob("make/*"))) == 1
    for directory in ("b", None):  # where outputs are kept elsewhere, they are not those
        other, _ = storing(directory)
        result = run(other)
        assert result.output_for_node("show") == "[1, 2]"
        assert result.reused == {}
        assert calls.take() == ["make"]
        assert run(other).reused["make"].run_id == result.run_id


def test_an_input_that_a_manager_loads_counts_by_what_is_loaded(
    run: Run, calls: Calls, tmp_path: Path
) -> None:
    @op
    def make() -> list[int]:
        return [1, 2]

    @op(cache=True, code_version="1", out=Out(io_manager_key="plain"))
    def show(values: list[int]) -> str:
        calls.add("show")
        return str(values)

    @job(
        resource_defs={
            "io_manager": FilesystemIOManager(base_dir=str(tmp_path / "a")),
            "plain": FilesystemIOManager(base_dir=str(tmp_path / "b")),
        }
    )
    def showing() -> None:
        show(make())

    assert [run(showing).output_for_node("show") for _ in range(2)] == ["[1, 2]", "[1, 2]"]
    assert calls.take() == ["show"]


def test_large_outputs_are_handed_on(run: Run, calls: Calls) -> None:
    @op(cache=True, code_version="1", out={"array": Out(), "table": Out()})
    def large() -> Any:
        calls.add("large")
        return np.arange(1_000_000.0), pa.table({"n": range(100_000)})

    @op(cache=True, code_version="1")
    def total(array: Any, table: Any) -> Any:
        calls.add("total")
        return float(array.sum()) + table.num_rows

    @job
    def adding() -> None:
        total(*large())

    for again in (False, True):
        result = run(adding)
        assert result.output_for_node("total") == 499_999_600_000.0
        assert result.output_for_node("large", "table").num_rows == 100_000
        assert calls.take() == ([] if again else ["large", "total"])


def test_reuse_can_be_switched_off_and_what_is_made_then_takes_the_old_ones_place(
    run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op(cache=True, code_version="1")
    def count() -> str:
        calls.add("count")
        return "done"

    @job
    def counting() -> None:
        count()

    assert run(counting).reused == {}
    assert run(counting, cache=False).reused == {}
    third = run(counting, engine={"cache": False})
    assert third.reused == {}
    assert calls.take() == ["count"] * 3
    assert run(counting).reused["count"].run_id == third.run_id
    assert run(counting, engine={"cache": False}, cache=True).reused["count"].run_id == third.run_id
    monkeypatch.setenv("RAYEXEC_CACHE", "0")
    assert run(counting).reused == {}
    assert calls.take() == ["count"]


def test_runs_that_are_not_recorded_reuse_nothing(
    run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op(cache=True, code_version="1")
    def count() -> None:
        calls.add("count")

    @job
    def counting() -> None:
        count()

    run(counting)
    run(counting, store=False)
    counting.execute_in_process()
    monkeypatch.setenv("RAYEXEC_RECORD", "0")
    run(counting, store=None)
    assert calls.take() == ["count"] * 4


def test_what_cannot_be_digested_or_kept_is_run_each_time_and_told(run: Run, calls: Calls) -> None:
    class Local:
        """Not at the top of a module, so that pickle does not find it again."""

    @op
    def make() -> Any:
        return Local()

    @op(cache=True, code_version="1")
    def take(value: Any) -> int:
        calls.add("take")
        return 1

    @op(cache=True, code_version="1")
    def give() -> Any:
        calls.add("give")
        return Local()

    @job
    def passing() -> None:
        take(make())
        give()

    for _ in range(2):
        result = run(passing)
        assert result.success
        lines = sorted(lines_of(result))
        assert len(lines) == 2
        assert (
            "op 'take' is not cached where its config or an input cannot be digested: " in lines[0]
        )
        assert "the outputs of op 'give' cannot be cached: " in lines[1]
        assert "Local" in lines[0]
        assert "Local" in lines[1]
    assert calls.take() == ["give", "give", "take", "take"]


def test_a_damaged_entry_is_a_miss_that_is_told(run: Run, calls: Calls, tmp_path: Path) -> None:
    @op(cache=True, code_version="1")
    def count() -> int:
        calls.add("count")
        return 1

    @job
    def counting() -> None:
        count()

    run(counting)
    (entry,) = [each for each in (tmp_path / "store" / "cache").rglob("*") if each.is_file()]
    entry.write_bytes(entry.read_bytes()[:-5])
    result = run(counting)
    assert result.output_for_node("count") == 1
    assert lines_of(result) == [
        "a cached output cannot be used: StoreError: the cache entry is damaged."
    ]
    assert calls.take() == ["count", "count"]
    assert run(counting).reused["count"].run_id == result.run_id


def test_a_cache_that_cannot_be_written_fails_no_step(run: Run, tmp_path: Path) -> None:
    @op(cache=True, code_version="1")
    def count() -> int:
        return 1

    @job
    def counting() -> None:
        count()

    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "cache").write_text("no directory")
    result = run(counting)
    assert result.success
    assert any("the outputs of op 'count' cannot be cached" in each for each in lines_of(result))


def test_a_store_in_memory_serves_runs_in_this_process_only(
    calls: Calls, ray_session: None
) -> None:
    @op(cache=True, code_version="1")
    def count() -> None:
        calls.add("count")

    @job
    def counting() -> None:
        count()

    store = MemoryRunStore()
    for _ in range(2):
        counting.execute({"execution": {"config": {"in_process": {}}}}, store=store)
    assert calls.take() == ["count"]
    with pytest.warns(
        RuntimeWarning, match="Ray's workers cannot reach <MemoryRunStore of 3 runs>"
    ) as told:
        assert counting.execute(store=store).success
    assert [each.filename for each in told] == [__file__]
    assert calls.take() == ["count"]


def test_a_run_without_cached_ops_has_no_memory_and_keeps_the_short_way(
    ray_session: None, tmp_path: Path
) -> None:
    @op(code_version="1")
    def count() -> None:
        pass

    @job
    def counting() -> None:
        count()

    for engine in ("in_process", "ray"):
        result = counting.execute({"execution": {"config": {engine: {}}}}, store=tmp_path)
        assert result.success
        assert result._spec.run_cache is None
    assert not (tmp_path / "cache").exists()


JOB = """
from rayexec import job, op

@op(cache=True, code_version="1")
def slow(words: list[str]) -> set[str]:
    print("slow runs")
    return set(words)

@op
def words() -> list[str]:
    return ["a", "b", "c"]

@op(cache=True, code_version="1")
def count(found: set[str]) -> int:
    print("count runs")
    return len(found)

@job(config={"execution": {"config": {"in_process": {}}}})
def counting():
    count(slow(words()))

if __name__ == "__main__":
    result = counting.execute()
    print(result.output_for_node("count"), sorted(result.reused))
"""


def test_processes_share_what_is_kept_whichever_way_the_job_is_run(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(textwrap.dedent(JOB))
    environment = {
        "RAYEXEC_HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }

    def run_file(seed: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "counting.py"],
            cwd=tmp_path,
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.splitlines()

    assert run_file("1") == ["slow runs", "count runs", "3 []"]
    assert run_file("2") == ["3 ['count', 'slow']"]
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), "job", "execute", "-f", "counting.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == ""
    assert done.stderr.count("Reused the outputs of step") == 2


def test_a_cached_op_needs_a_code_version() -> None:
    with pytest.raises(
        DefinitionError,
        match=r"op 'count': cache=True needs a code_version.*cannot be compared safely",
    ):

        @op(cache=True)
        def count() -> None:
            pass

    def count_all() -> None:
        pass

    wrong: Any
    for wrong in (1, ""):
        with pytest.raises(DefinitionError, match="code_version must be a string"):
            op(code_version=wrong)(count_all)
    wrong = "yes"
    with pytest.raises(DefinitionError, match="cache must be True or False"):
        op(code_version="1", cache=wrong)(count_all)
