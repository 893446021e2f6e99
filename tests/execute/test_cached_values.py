"""Values of cached ops: dynamic, streamed, large, of IO managers, and unfit for a cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cached_runs
import numpy as np
import pyarrow as pa
from cached_runs import Calls, Run, lines_of

from rayexec import (
    DynamicOut,
    DynamicOutput,
    FilesystemIOManager,
    InputContext,
    MetadataValue,
    Out,
    Output,
    job,
    op,
)

calls = cached_runs.calls
run = cached_runs.run


class Knowing(FilesystemIOManager):
    """Pickles values, and refuses to load the output of an unnamed op."""

    def load_input(self, context: InputContext) -> Any:
        assert context.upstream_output is not None
        if context.upstream_output.op_def is None:
            raise ValueError("which op is it of?")
        return super().load_input(context)


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
        assert calls.drain() == ([] if again else ["split", "upper", "upper", "upper"])
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
        for index in range(3):
            yield DynamicOutput(np.full(20_000 if index else 2, index), str(index))

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
    assert calls.drain() == ["pieces"]


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
    assert calls.drain() == ["make"]
    assert len(list((tmp_path / "a").rglob("make/*"))) == 1
    for directory in ("b", None):  # where outputs are kept elsewhere, they are not those
        other, _ = storing(directory)
        result = run(other)
        assert result.output_for_node("show") == "[1, 2]"
        assert result.reused == {}
        assert calls.drain() == ["make"]
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
    assert calls.drain() == ["show"]


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
        assert calls.drain() == ([] if again else ["large", "total"])


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
    assert calls.drain() == ["give", "give", "take", "take"]


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
    assert calls.drain() == ["count", "count"]
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
